"""Media in a folder."""

from __future__ import annotations

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeVar, final

from lamina.backend import serves
from lamina.backends.files.disk import Allowed, Disk
from lamina.backends.files.failures import disk_failures
from lamina.backends.files.index import Entry, Upload
from lamina.domains.media import (
    Abort,
    Begin,
    Chunk,
    Erase,
    Finish,
    Head,
    HeadMany,
    Info,
    ListObjects,
    MediaBackend,
    Put,
    PutPart,
    ReadRange,
    Sign,
    check_condition,
    check_range,
    has_condition,
    metadata_of,
)
from lamina.domains.store import Check
from lamina.errors import Closed, Corrupt, Invalid, StackError
from lamina.values import Done, Failed, FrozenDict, Json, Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_MOST: Final = 1000  # objects in one page
_PARTS: Final = 100_000  # in one upload


@final
class FilesMedia(MediaBackend):
    """Objects in files under *root*, on a local file system; several processes may share it.

    ``root/blobs`` holds the bytes, named by their SHA-256, equal ones once; ``root/index.db``
    (SQLite) says which key has which. What was acknowledged is synced: neither ``kill -9`` nor a
    power failure loses it, and nothing half-written is ever seen. No key becomes part of a path.
    Sizes are checked at each read, digests when a whole object is read at once.

    Opening makes the root, and removes what dead processes left and the uploads that have got no
    part for *uploads_kept* seconds (default: a day); it looks at the name of each blob. An
    ``etag`` is the SHA-256. A signed URL is the blob's ``file:`` URL: it does not expire, but
    ends with the object. The work is done in *threads* threads; what is begun there when its
    caller is cancelled is carried out whole.

    Raises:
        StackError: *root* is no path, or a number is not above 0.
    """

    name = "files"
    needs_open = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        uploads_kept: float = 86_400.0,
        threads: int = 4,
    ) -> None:
        text = os.fspath(root)
        if not text or "\0" in text:
            msg = f"root must be the path of a folder, got {text!r}"
            raise StackError(msg)
        if threads < 1 or not 0 < uploads_kept < math.inf:
            msg = (
                "threads and uploads_kept must be more than 0 and finite, "
                f"got {threads!r} and {uploads_kept!r}"
            )
            raise StackError(msg)
        self.root = Path(text).expanduser().absolute()
        self.uploads_kept = uploads_kept
        self.threads = threads
        self._disk = Disk(self.root)
        self._pool: ThreadPoolExecutor | None = None
        self._ready = False

    async def open(self) -> None:
        stale = self.runtime.wall() - self.uploads_kept
        self._pool = ThreadPoolExecutor(self.threads, f"files {self.root.name}")
        await self._threaded(self._pool, lambda: self._disk.open(stale))
        self._ready = True

    async def close(self) -> None:
        self._ready = False
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(self._shut, pool)  # goes on to its end if this is cancelled

    @serves(Head)
    async def head(self, op: Head) -> Info | None:
        found = await self._run(lambda disk: disk.index.find(op.scope, op.key))
        return None if found is None else _info(found)

    @serves(HeadMany)
    async def head_many(self, op: HeadMany) -> tuple[Outcome[Info | None], ...]:
        found = await self._run(lambda disk: [disk.index.find(op.scope, key) for key in op.keys])
        return tuple(map(_told, found))

    @serves(ReadRange)
    async def read_range(self, op: ReadRange) -> Chunk | None:
        found = await self._run(
            lambda disk: disk.read(
                op.scope, op.key, op.start, op.length, lambda entry: check_range(op, entry.digest)
            )
        )
        return None if found is None else Chunk(found[0], _info(found[1]))

    @serves(Put, "conditional")
    async def put(self, op: Put) -> Info:
        now, allowed = self.runtime.wall(), _condition(op)

        def work(disk: Disk) -> Entry:
            metadata_of(op.metadata)
            entry = Entry(op.scope, op.key, "", 0, op.type, op.metadata.data, now)
            return disk.put(entry, (op.data,), allowed=allowed)

        return _info(await self._run(work))

    @serves(Begin)
    async def begin(self, op: Begin) -> str:
        metadata, now = op.metadata.data, self.runtime.wall()
        upload = Upload(token_hex(16), op.scope, op.key, op.type, metadata, now)

        def work(disk: Disk) -> None:
            metadata_of(op.metadata)
            disk.begin(upload)

        await self._run(work)
        return upload.id

    @serves(PutPart, parts=_PARTS)
    async def put_part(self, op: PutPart) -> str:
        if op.number > _PARTS:
            msg = f"an upload has at most {_PARTS} parts, got number {op.number}"
            raise Invalid(msg)
        upload = Upload(op.upload, op.scope, op.key, "", b"", self.runtime.wall())
        return await self._run(lambda disk: disk.put_part(upload, op.number, op.data))

    @serves(Finish, "conditional")
    async def finish(self, op: Finish) -> Info:
        now, allowed = self.runtime.wall(), _condition(op)
        return _info(
            await self._run(
                lambda disk: disk.finish(
                    op.scope, op.key, op.upload, op.parts, now, allowed=allowed
                )
            )
        )

    @serves(Abort)
    async def abort(self, op: Abort) -> bool:
        return await self._run(lambda disk: disk.abort(op.scope, op.key, op.upload))

    @serves(Erase)
    async def erase(self, op: Erase) -> bool:
        return await self._run(lambda disk: disk.erase(op.scope, op.key))

    @serves(ListObjects, "ordered", "unique")
    async def list_objects(self, op: ListObjects) -> Page[Info]:
        limit = min(op.limit, _MOST)
        after = op.cursor or ""
        found = await self._run(lambda disk: disk.index.page(op.scope, op.prefix, after, limit))
        items = tuple(_info(entry) for entry in found)
        return Page(items, items[-1].key if len(items) == limit else None)

    @serves(Sign)
    async def sign(self, op: Sign) -> str:
        found = await self._run(lambda disk: disk.index.find(op.scope, op.key))
        if found is None:
            msg = "there is no such object"
            raise Invalid(msg)
        return self._disk.tree.blob(found.digest).as_uri()

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._run(lambda disk: disk.check())

    async def _run(self, work: Callable[[Disk], T]) -> T:
        pool = self._pool
        if pool is None or not self._ready:
            msg = "files is not open"
            raise Closed(msg)
        return await self._threaded(pool, lambda: work(self._disk))

    async def _threaded(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def mapped() -> T:
            with disk_failures():
                return work()

        return await asyncio.get_running_loop().run_in_executor(pool, mapped)

    def _shut(self, pool: ThreadPoolExecutor) -> None:
        pool.shutdown()
        with disk_failures():
            self._disk.close()


def _condition(op: Put | Finish) -> Allowed | None:
    return (lambda etag: check_condition(op, etag)) if has_condition(op) else None


def _told(entry: Entry | None) -> Outcome[Info | None]:
    try:
        return Done(None if entry is None else _info(entry))
    except Corrupt as error:
        return Failed(error)


def _info(entry: Entry) -> Info:
    metadata = Json(entry.metadata).value()
    if not isinstance(metadata, FrozenDict):
        msg = "an entry of the index is damaged"
        raise Corrupt(msg)
    return Info(entry.key, entry.size, entry.digest, entry.type, metadata, entry.modified)
