"""Documents that are kept and, unless told otherwise, found by their meaning."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from lamina.domains.documents import Write
from lamina.domains.vectors import Upsert
from lamina.errors import Conflict, StorageError
from lamina.storage.domains import Domains
from lamina.storage.shapes import (
    NewDocument,
    StoredDocument,
    batch_failed,
    entry_metadata,
    json_of,
    stored_of,
    write_of,
    writes_of,
)
from lamina.values import Failed, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROUNDS: Final = 5


class DocumentStore(Domains):
    """Documents and their entries in the vector index, kept in step.

    A document is written first, then indexed. If that fails a new document is taken back, so
    that storing happens as a whole or not at all; one that was stored under an *id* of the
    caller's stays, and storing it again under that id repairs its entry.
    """

    async def store_document(
        self,
        content: str,
        metadata: Mapping[str, Any] | None = None,
        index_for_search: bool = True,  # noqa: FBT001, FBT002  # the original design's signature
        *,
        document_id: str | None = None,
        path: str | None = None,
    ) -> str:
        """Store a text and return its id; an existing document of that id is replaced.

        Raises:
            StorageError: It is not stored, or (its notes say so) stored and not indexed.
            Invalid: The content is no text, or the metadata no JSON.
            Conflict: Another document has that *path*.
        """
        write = write_of(
            {"content": content, "metadata": metadata, "id": document_id, "path": path}
        )
        ours = document_id is None
        try:
            await self._store(write, index=index_for_search, new=ours)
        except asyncio.CancelledError:
            if ours:  # nobody will ever learn its id
                self._runtime.spawn(self._take_back(write.id), "take back a document")
            raise
        return write.id

    async def batch_store_documents(
        self,
        documents: Iterable[NewDocument],
        index_for_search: bool = True,  # noqa: FBT001, FBT002  # the original design's signature
    ) -> list[str]:
        """Store several texts and return their ids, in order.

        Raises:
            BatchFailed: Some are not stored (or, with an id of yours, not indexed): ``outcomes``
                holds ``Done(id)`` or ``Failed`` for each.
            Invalid: One of them is wrong, or two have one id; then none is stored.
        """
        writes, ours = writes_of(documents)
        if not writes:
            return []
        try:
            failed = await self._store_many(writes, ours, index=index_for_search)
        except asyncio.CancelledError:
            for id_ in ours:
                self._runtime.spawn(self._take_back(id_), "take back a document")
            raise
        if failed:
            raise batch_failed(writes, failed)
        return [write.id for write in writes]

    async def get_document(self, document_id: str, *, fresh: bool = False) -> StoredDocument | None:
        """Return a document, None if there is none of that id."""
        found = await self.documents.get(document_id, fresh=fresh)
        return None if found is None else stored_of(found)

    async def update_document(
        self,
        document_id: str,
        content: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> bool:
        """Change a document, and its index entry if it has one; tell whether it exists.

        Without *metadata* the old stays.

        Raises:
            Conflict: It has another version than *expected_version*.
            StorageError: Nothing changed, or (its notes say so) the index is still to be updated.
        """
        json_of(metadata)  # refused before anything is sent
        indexed = await self.vectors.get(document_id, fresh=True) is not None
        version = await self.documents.update(
            document_id, content=content, metadata=metadata, expected_version=expected_version
        )
        if version is None:
            return False
        if indexed:
            try:
                await self._index(document_id)
            except StorageError as error:
                error.add_note(f"the document has version {version}, its index entry is older")
                raise
        return True

    async def delete_document(self, document_id: str) -> bool:
        """Delete a document and its index entry; tell whether there was one.

        The entry goes first, so that search never shows what is deleted. After a failure the
        same call finishes the work.
        """
        await self.vectors.delete(document_id)
        gone = await self.documents.delete(document_id)
        await self.vectors.delete(document_id)  # an update may have written it meanwhile
        return gone

    async def _store(self, write: Write, *, index: bool, new: bool) -> None:
        try:
            await self.documents.set(
                write.id, write.content, metadata=write.metadata.thaw(), path=write.path
            )
        except StorageError as error:
            if not _surely_nothing(error):
                await self._recover(write.id, error, take_back=new)
            raise
        try:
            if index and new:
                await self._upsert(write)
            elif index:
                await self._index(write.id)
        except StorageError as error:
            await self._recover(write.id, error, take_back=new)
            raise

    async def _store_many(
        self, writes: list[Write], ours: set[str], *, index: bool
    ) -> dict[str, StorageError]:
        told = await self.documents.set_many(writes, outcomes=True)
        failed = {w.id: o.error for w, o in zip(writes, told, strict=True) if isinstance(o, Failed)}
        doubtful = {id_: e for id_, e in failed.items() if not _surely_nothing(e)}
        if index:
            written = [w for w in writes if w.id not in failed]
            pending = await self._index_many(written)
            theirs = [w for w in written if w.id not in ours and w.id not in pending]
            pending |= await self._index_changed(theirs)
            failed |= pending
            doubtful |= pending
        for id_, error in doubtful.items():
            await self._recover(id_, error, take_back=id_ in ours)
        return failed

    async def _upsert(self, write: Write) -> None:
        await self.vectors.set(write.id, write.content, metadata=entry_metadata(write))

    async def _index(self, id_: str) -> None:
        """Bring the entry in step with the document as it is, whoever writes meanwhile."""
        for _ in range(_ROUNDS):
            found = await self.documents.get(id_, fresh=True)
            if found is None:
                await self.vectors.delete(id_)
                return
            await self._upsert(Write(id_, found.content, Json.of(found.metadata)))
            again = await self.documents.get(id_, fresh=True)
            if again is not None and again.version == found.version:
                return

    async def _index_many(self, writes: list[Write]) -> dict[str, StorageError]:
        items = [
            Upsert(write.id, text=write.content, metadata=Json.of(entry_metadata(write)))
            for write in writes
        ]
        if not items:
            return {}
        try:
            told = await self.vectors.set_many(items, outcomes=True)
        except StorageError as error:
            return {write.id: error for write in writes}
        return {w.id: o.error for w, o in zip(writes, told, strict=True) if isinstance(o, Failed)}

    async def _index_changed(self, writes: list[Write]) -> dict[str, StorageError]:
        """Bring the entries in step of those that others have written since they were indexed."""
        if not writes:
            return {}
        try:
            found = await self.documents.get_many([write.id for write in writes], fresh=True)
        except StorageError as error:
            return {write.id: error for write in writes}
        failed: dict[str, StorageError] = {}
        for write, now in zip(writes, found, strict=True):
            told = now and (now.content, Json.of(now.metadata))
            try:
                if told != (write.content, write.metadata):
                    await self._index(write.id)
            except StorageError as error:
                failed[write.id] = error
        return failed

    async def _recover(self, id_: str, error: StorageError, *, take_back: bool) -> None:
        if not take_back:
            error.add_note(
                f"document {id_!r} may be stored without its index entry; store it again"
            )
            return
        try:
            await self._take_back(id_)
        except StorageError as failure:
            error.add_note(f"document {id_!r} could not be taken back: {failure}")

    async def _take_back(self, id_: str) -> None:
        try:
            await self.documents.delete(id_)
        finally:
            await self.vectors.delete(id_)


def _surely_nothing(error: StorageError) -> bool:
    return error.sent == "no" or isinstance(error, Conflict)
