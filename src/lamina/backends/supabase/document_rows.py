"""Documents as rows of JSON, in both directions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.backends.postgres.written import Indexed, indexed, stored
from lamina.domains.documents import Document, Found
from lamina.domains.documents.metadata import metadata_of
from lamina.errors import Corrupt, Invalid
from lamina.values import Json

if TYPE_CHECKING:
    from lamina.domains.documents import Write, WriteAt

COLUMNS: Final = "id,content,metadata::text,exact,version,path,created_at,updated_at"
_LONG: Final = 32_768
"""Characters from which on a document is worth a thread."""


async def words_of(content: str) -> Indexed:
    """Return the words of *content* and their weights, off the loop if that takes long."""
    if len(content) < _LONG:
        return indexed(content)
    return await asyncio.to_thread(indexed, content)


async def item_of(op: Write | WriteAt) -> dict[str, Any]:
    """Return a document as the functions take it, made off the loop if that takes long.

    Raises:
        Invalid: Its metadata is not a JSON object.
    """
    if len(op.content) + len(op.metadata.data) < _LONG:
        return _item(op)
    return await asyncio.to_thread(_item, op)


def _item(op: Write | WriteAt) -> dict[str, Any]:
    metadata = stored(op.metadata)
    words = indexed(op.content)
    return {
        "id": op.id,
        "path": op.path,
        "content": op.content,
        "metadata": json.loads(metadata.plain),
        "exact": metadata.exact,
        "words": words.words,
        "weights": words.weights,
    }


def rows_of(told: object) -> list[Mapping[str, Any]]:
    """Return an answer's rows.

    Raises:
        Corrupt: It has none: a page of a gateway is no answer of the database.
    """
    rows = cast("list[object]", told) if isinstance(told, list) else [None]
    if not all(isinstance(row, Mapping) for row in rows):
        raise _damaged()
    return cast("list[Mapping[str, Any]]", rows)


def document_of(row: Mapping[str, Any]) -> Document:
    """Return the document in a row.

    Raises:
        Corrupt: Something is missing or of another type.
    """
    path = row.get("path")
    exact = row.get("exact")
    return Document(
        text_of(row.get("id")),
        text_of(row.get("content")),
        _metadata_of(text_of(row.get("metadata") if exact is None else exact)),
        whole_of(row.get("version")),
        None if path is None else text_of(path),
        _number_of(row.get("created_at")),
        _number_of(row.get("updated_at")),
    )


def found_of(row: Mapping[str, Any]) -> Found:
    """Return what a search found in a row.

    Raises:
        Corrupt: Something is missing or of another type.
    """
    return Found(document_of(row), _number_of(row.get("score")))


def words_told(told: object, count: int) -> list[str]:
    """Return what was told of each of *count* items.

    Raises:
        Corrupt: It is something else.
    """
    words = cast("list[object]", told) if isinstance(told, list) else []
    if len(words) != count:
        raise _damaged()
    return [text_of(word) for word in words]


def text_of(told: object) -> str:
    """Return a text.

    Raises:
        Corrupt: It is none.
    """
    if not isinstance(told, str):
        raise _damaged()
    return told


def whole_of(told: object) -> int:
    """Return a whole number.

    Raises:
        Corrupt: It is none.
    """
    if isinstance(told, bool) or not isinstance(told, int):
        raise _damaged()
    return told


def _metadata_of(told: str) -> Mapping[str, Any]:
    try:
        return metadata_of(Json(told.encode()))
    except Invalid as error:
        raise _damaged() from error


def _number_of(told: object) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise _damaged()
    return float(told)


def _damaged() -> Corrupt:
    return Corrupt("the answer is not what the tables of Lamina give")
