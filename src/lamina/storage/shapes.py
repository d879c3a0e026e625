"""The documents that go in and come out, as plain dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict
from uuid import uuid4

from lamina.domains.documents import Write
from lamina.errors import BatchFailed, Invalid, StorageError
from lamina.values import (
    EMPTY,
    Done,
    Failed,
    Json,
    check_key,
    check_mapping,
    check_text,
    each_of,
    thaw,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.domains.documents import Document


class NewDocument(TypedDict):
    """A document to store; *id* and *path* are yours to choose, or left out."""

    content: str
    metadata: NotRequired[Mapping[str, Any] | None]
    id: NotRequired[str | None]
    path: NotRequired[str | None]


class StoredDocument(TypedDict):
    """A stored document; times are Unix seconds, versions count from 1."""

    id: str
    content: str
    metadata: dict[str, Any]
    version: int
    path: str | None
    created_at: float
    updated_at: float


def write_of(document: NewDocument) -> Write:
    """Return the operation that stores a document.

    Raises:
        Invalid: Something about it is wrong.
    """
    check_mapping(document, what="a document")
    id_, metadata = document.get("id"), document.get("metadata")
    if id_ is None:
        id_ = uuid4().hex
    check_key(id_, what="id")
    check_text(document.get("content"), what="content")
    return Write(id_, document["content"], json_of(metadata), document.get("path"))


def writes_of(documents: Iterable[NewDocument]) -> tuple[list[Write], set[str]]:
    """Return the operations that store several documents, and those ids that were drawn.

    Raises:
        Invalid: Something about one of them is wrong, or two have one id.
    """
    writes: list[Write] = []
    places: dict[str, int] = {}
    drawn: set[str] = set()
    for place, document in enumerate(each_of(documents, what="documents")):
        try:
            write = write_of(document)
        except Invalid as error:
            msg = f"document {place}: {error}"
            raise Invalid(msg) from error
        if places.setdefault(write.id, place) != place:
            msg = f"document {place}: document {places[write.id]} has the same id"
            raise Invalid(msg)
        writes.append(write)
        if document.get("id") is None:
            drawn.add(write.id)
    return writes, drawn


def json_of(metadata: Mapping[str, Any] | None) -> Json:
    """Return metadata as JSON, none as the empty object.

    Raises:
        Invalid: It is no mapping, or not JSON.
    """
    if metadata is None:
        return EMPTY
    check_mapping(metadata, what="metadata")
    return Json.of(dict(metadata))


def entry_metadata(write: Write) -> dict[str, Any]:
    """Return the metadata of a document's index entry."""
    return {**write.metadata.thaw(), "document_id": write.id}


def stored_of(found: Document) -> StoredDocument:
    """Return a document as the caller's own dict."""
    return {
        "id": found.id,
        "content": found.content,
        "metadata": thaw(found.metadata),
        "version": found.version,
        "path": found.path,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def batch_failed(writes: list[Write], failed: Mapping[str, StorageError]) -> BatchFailed:
    """Return the error that tells which of several were not stored."""
    outcomes = [Failed(failed[w.id]) if w.id in failed else Done(w.id) for w in writes]
    first = next(iter(failed.values()))
    msg = f"{len(failed)} of {len(writes)} documents failed, first: {first}"
    error = BatchFailed(
        msg, outcomes=outcomes, transient=any(one.transient for one in failed.values())
    )
    error.__cause__ = first
    return error
