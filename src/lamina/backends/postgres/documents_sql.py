"""The statements on the table of documents, beside the functions that stand in the database."""

# ruff: noqa: S608  # only constants are put together

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.postgres.schema import SEPARATOR, SPLIT

if TYPE_CHECKING:
    from lamina.backends.postgres.written import Indexed, Metadata
    from lamina.domains.documents import Write

COLUMNS: Final = (
    "id, content, coalesce(exact, metadata::text), version, path, created_at, updated_at"
)


@final
@dataclass(frozen=True, slots=True)
class Statements:
    """Each for the schema lamina."""

    read: str = f"SELECT {COLUMNS} FROM lamina.lamina_documents WHERE scope = $1 AND id = $2"
    read_at: str = f"SELECT {COLUMNS} FROM lamina.lamina_documents WHERE scope = $1 AND path = $2"
    read_many: str = (
        f"SELECT {COLUMNS} FROM lamina.lamina_documents WHERE scope = $1 AND id = ANY($2::text[])"
    )
    write: str = (
        "INSERT INTO lamina.lamina_documents AS old (scope, id, path, content, metadata, exact, "
        "words, weights, created_at, updated_at) "
        f"SELECT $1, $2, $3, $4, $5, $6, {SPLIT % '$7'}, $8, now, now "
        "FROM lamina.lamina_now() AS now "
        "ON CONFLICT ON CONSTRAINT lamina_documents_id DO UPDATE SET path = excluded.path, "
        "version = old.version + 1, updated_at = excluded.updated_at, "
        "content = excluded.content, metadata = excluded.metadata, exact = excluded.exact, "
        "words = excluded.words, weights = excluded.weights"
    )
    write_at: str = "SELECT lamina.lamina_documents_write_at($1, $2, $3, $4, $5, $6, $7, $8)"
    update: str = "SELECT lamina.lamina_documents_update($1, $2, $3, $4, $5, $6, $7, $8)"
    remove: str = "DELETE FROM lamina.lamina_documents WHERE scope = $1 AND id = $2 RETURNING true"
    check: str = "SELECT 1 FROM lamina.lamina_documents WHERE scope = '' AND id = ''"
    find: str = f"SELECT {COLUMNS}, {{score}} FROM lamina.lamina_documents"
    score: str = "lamina.lamina_score(words, weights, $2)"


def row(scope: str, op: Write, metadata: Metadata, indexed: Indexed) -> tuple[Any, ...]:
    """Return what `Statements.write` takes; no word holds the separator, which is no letter."""
    words = SEPARATOR.join(indexed.words)
    return (scope, op.id, op.path, op.content, *metadata, words, indexed.weights)
