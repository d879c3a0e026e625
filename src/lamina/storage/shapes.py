"""The documents that go in and come out, as plain dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict
from uuid import uuid4

from lamina.domains.documents import Write
from lamina.errors import BatchFailed, Invalid, StorageError
from lamina.values import Done, Failed, Json, check_key, check_text, thaw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.domains.documents import Document


class NewDocument(TypedDict):
    """A document to store; *id* and *path* are yours to choose, or left out."""

    content: str
    metadata: NotRequired[dict[str, Any] | None]
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


def write_of(document: NewDocument, place: int | None = None) -> Write:
    """Return the operation that stores a document, the *place*-th of several.

    Raises:
        Invalid: Something about it is wrong.
    """
    where = "" if place is None else f"document {place}: "
    try:
        id_ = document.get("id") or uuid4().hex
        check_key(id_, what="id")
        check_text(document.get("content"), what="content")
        metadata = Json.of(document.get("metadata") or {})
        return Write(id_, document["content"], metadata, document.get("path"))
    except Invalid as error:
        msg = f"{where}{error}"
        raise Invalid(msg) from error


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
