"""Media in a dict."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backend import serves
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
    check_condition,
    check_range,
    metadata_of,
)
from lamina.domains.store import Check
from lamina.errors import Invalid
from lamina.values import Done, Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALL: Final = 64 * 1024  # bytes that are hashed faster than a thread is woken


@final
@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    info: Info
    upload: str = ""


@final
@dataclass(frozen=True, slots=True)
class _Upload:
    place: tuple[str, str]
    type: str
    metadata: Mapping[str, Any]
    parts: dict[tuple[int, str], bytes] = field(default_factory=dict[tuple[int, str], bytes])


@final
class MemoryMedia(MediaBackend):
    """Objects in this process; an ``etag`` is the SHA-256. There are no URLs."""

    name = "memory"

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], _Object] = {}
        self._uploads: dict[str, _Upload] = {}

    @serves(Head)
    async def head(self, op: Head) -> Info | None:
        found = self._objects.get((op.scope, op.key))
        return None if found is None else found.info

    @serves(HeadMany)
    async def head_many(self, op: HeadMany) -> tuple[Outcome[Info | None], ...]:
        found = (self._objects.get((op.scope, key)) for key in op.keys)
        return tuple(Done(None if one is None else one.info) for one in found)

    @serves(ReadRange)
    async def read_range(self, op: ReadRange) -> Chunk | None:
        found = self._objects.get((op.scope, op.key))
        if found is None:
            return None
        check_range(op, found.info.etag)
        return Chunk(found.data[op.start : op.start + op.length], found.info)

    @serves(Put, "conditional")
    async def put(self, op: Put) -> Info:
        metadata = metadata_of(op.metadata)
        etag = await _digest(op.data)
        self._check(op)
        info = Info(op.key, len(op.data), etag, op.type, metadata, self.runtime.wall())
        self._objects[op.scope, op.key] = _Object(op.data, info)
        return info

    @serves(Begin)
    async def begin(self, op: Begin) -> str:
        upload = token_hex(16)
        metadata = metadata_of(op.metadata)
        self._uploads[upload] = _Upload((op.scope, op.key), op.type, metadata)
        return upload

    @serves(PutPart)
    async def put_part(self, op: PutPart) -> str:
        upload = self._upload(op)
        etag = await _digest(op.data)
        upload.parts[op.number, etag] = op.data
        return etag

    @serves(Finish, "conditional")
    async def finish(self, op: Finish) -> Info:
        place = (op.scope, op.key)
        if op.upload not in self._uploads:
            return self._finished(op)
        upload = self._upload(op)
        try:
            parts = [upload.parts[named] for named in enumerate(op.parts, 1)]
        except KeyError as error:
            msg = "a part was not written, or is another than its etag says"
            raise Invalid(msg) from error
        data = await asyncio.to_thread(b"".join, parts)
        etag = await _digest(data)
        if op.upload not in self._uploads:  # ended by somebody else meanwhile
            return self._finished(op)
        self._check(op)
        del self._uploads[op.upload]
        info = Info(op.key, len(data), etag, upload.type, upload.metadata, self.runtime.wall())
        self._objects[place] = _Object(data, info, op.upload)
        return info

    @serves(Abort)
    async def abort(self, op: Abort) -> bool:
        found = self._uploads.get(op.upload)
        if found is None or found.place != (op.scope, op.key):
            return False
        del self._uploads[op.upload]
        return True

    @serves(Erase)
    async def erase(self, op: Erase) -> bool:
        return self._objects.pop((op.scope, op.key), None) is not None

    @serves(ListObjects, "ordered", "unique")
    async def list_objects(self, op: ListObjects) -> Page[Info]:
        after = op.cursor or ""
        matching = (
            key
            for scope, key in self._objects
            if scope == op.scope and key > after and key.startswith(op.prefix)
        )
        keys = heapq.nsmallest(op.limit, matching)
        items = tuple(self._objects[op.scope, key].info for key in keys)
        return Page(items, keys[-1] if len(keys) == op.limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op

    def _check(self, op: Put | Finish) -> None:
        found = self._objects.get((op.scope, op.key))
        check_condition(op, None if found is None else found.info.etag)

    def _upload(self, op: PutPart | Finish) -> _Upload:
        found = self._uploads.get(op.upload)
        if found is None or found.place != (op.scope, op.key):
            raise _no_upload()
        return found

    def _finished(self, op: Finish) -> Info:
        found = self._objects.get((op.scope, op.key))
        if found is None or found.upload != op.upload:
            raise _no_upload()
        return found.info


async def _digest(data: bytes) -> str:
    if len(data) <= _SMALL:
        return sha256(data).hexdigest()
    return (await asyncio.to_thread(sha256, data)).hexdigest()


def _no_upload() -> Invalid:
    return Invalid("there is no such upload: it was finished, aborted or never begun")
