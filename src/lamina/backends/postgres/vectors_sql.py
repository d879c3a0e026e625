"""The statements on the table of vectors, with pgvector's type and operators."""

# ruff: noqa: S608  # only constants are put together

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, final

from lamina.backends.postgres.schema import in_schema

_SPACE: Final = (
    "space = (SELECT number FROM lamina.lamina_vectors_spaces WHERE scope = $1 AND namespace = $2)"
)
_TOLD: Final = "coalesce(exact, metadata::text)"
_RECORD: Final = f"id, :ext.vector_send(embedding), text, {_TOLD}"
_ASKED: Final = "$3::real[]::vector"
_OPERATORS: Final = {"cosine": "<=>", "dot": "<#>", "euclidean": "<->"}
_CLASSES: Final = {"cosine": "cosine", "dot": "ip", "euclidean": "l2"}


@final
@dataclass(frozen=True, slots=True)
class Statements:
    """Each for the schema lamina; ``vector`` is pgvector's type, ``<=>`` the metric's operator."""

    facts: str = "SELECT name, value FROM lamina.lamina_vectors_facts"
    fact: str = "SELECT value FROM lamina.lamina_vectors_facts WHERE name = $1"
    note: str = "INSERT INTO lamina.lamina_vectors_facts VALUES ($1, $2) ON CONFLICT DO NOTHING"
    lock: str = "LOCK TABLE lamina.lamina_vectors_facts IN SHARE ROW EXCLUSIVE MODE"
    has_index: str = "SELECT to_regclass('lamina.lamina_vectors_nearest') IS NOT NULL"
    make_index: str = (
        "CREATE INDEX IF NOT EXISTS lamina_vectors_nearest ON lamina.lamina_vectors "
        "USING hnsw ((embedding::vector(:dim)) :class)"
    )
    fetch: str = f"SELECT {_RECORD} FROM lamina.lamina_vectors WHERE {_SPACE} AND id = $3"
    fetch_many: str = (
        f"SELECT {_RECORD} FROM lamina.lamina_vectors WHERE {_SPACE} AND id = ANY($3::text[])"
    )
    make_spaces: str = (
        "INSERT INTO lamina.lamina_vectors_spaces (scope, namespace) "
        "SELECT $1, name FROM unnest($2::text[]) AS name WHERE NOT EXISTS ("
        "SELECT FROM lamina.lamina_vectors_spaces WHERE scope = $1 AND namespace = name) "
        "ON CONFLICT DO NOTHING"
    )
    upsert: str = (
        "INSERT INTO lamina.lamina_vectors (space, id, text, metadata, exact, embedding) "
        "SELECT number, $3, $4, $5, $6, $7::real[]::vector FROM lamina.lamina_vectors_spaces "
        "WHERE scope = $1 AND namespace = $2 "
        "ON CONFLICT (space, id) DO UPDATE SET text = excluded.text, "
        "metadata = excluded.metadata, exact = excluded.exact, embedding = excluded.embedding"
    )
    drop: str = f"DELETE FROM lamina.lamina_vectors WHERE {_SPACE} AND id = $3 RETURNING true"
    drop_where: str = f"DELETE FROM lamina.lamina_vectors WHERE {_SPACE}"
    # The distance to a vector of length 0 is no number under cosine: let it be a right angle's.
    exact: str = (
        f"SELECT id, text, {_TOLD}, coalesce(nullif(embedding <=> {_ASKED}, 'NaN'), 1) AS distance "
        f"FROM lamina.lamina_vectors WHERE {_SPACE}"
    )
    near: str = (  # written as the index has it, so that it is used
        f"SELECT id, text, {_TOLD}, embedding::vector(:dim) <=> {_ASKED} AS distance "
        f"FROM lamina.lamina_vectors WHERE {_SPACE} "
        f"ORDER BY embedding::vector(:dim) <=> {_ASKED} LIMIT $4"
    )
    count: str = f"SELECT count(*) FROM lamina.lamina_vectors WHERE {_SPACE}"
    holds: str = (
        f"SELECT count(*) FROM (SELECT FROM lamina.lamina_vectors WHERE {_SPACE} LIMIT $3) AS held"
    )
    namespaces: str = (
        "SELECT namespace FROM lamina.lamina_vectors_spaces WHERE scope = $1 AND EXISTS ("
        "SELECT FROM lamina.lamina_vectors WHERE space = number) ORDER BY namespace"
    )
    ids: str = (
        f"SELECT id FROM lamina.lamina_vectors WHERE {_SPACE} AND id >= $3 AND id > $4 "
        "ORDER BY id LIMIT $5"
    )
    ids_until: str = (
        f"SELECT id FROM lamina.lamina_vectors WHERE {_SPACE} AND id >= $3 AND id > $4 "
        "AND id < $6 ORDER BY id LIMIT $5"
    )


def statements(schema: str, extension: str, metric: str) -> Statements:
    """Return them for a schema, and a metric of pgvector in its schema *extension*."""
    there = f'"{extension}"'
    meant = {
        "::vector": f"::{there}.vector",
        ":ext.": f"{there}.",
        "<=>": f"OPERATOR({there}.{_OPERATORS[metric]})",
        ":class": f"{there}.vector_{_CLASSES[metric]}_ops",
    }
    plain = Statements()
    texts: dict[str, str] = {}
    for field in fields(plain):
        text = in_schema(getattr(plain, field.name), schema)
        for mark, meaning in meant.items():
            text = text.replace(mark, meaning)
        texts[field.name] = text
    return Statements(**texts)
