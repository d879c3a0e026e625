"""Objects sealed in frames: ranges, uploads in parts, conditions and etags work as before."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.batches import emulate
from lamina.domains.coded import Coded, Place, codes, within
from lamina.domains.media.conditions import metadata_of
from lamina.domains.media.operations import (
    PART,
    Abort,
    Begin,
    Chunk,
    Erase,
    Finish,
    Head,
    HeadMany,
    Info,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
)
from lamina.domains.store import Check
from lamina.errors import Conflict, Invalid
from lamina.layers.seal.core import Sealer
from lamina.layers.seal.frames import FRAME, SEALED, Frames, Marker
from lamina.values import Json, Page, freeze

if TYPE_CHECKING:
    from lamina.domains.coded import Worker
    from lamina.operation import Handler
    from lamina.site import Site

_NAME: Final = "lamina.sealed"
_FULL: Final = "full"
_LAST: Final = "last"


@final
class SealedMedia(Coded[Sealer]):
    """Keys, types, metadata, sizes and times stay in clear; bytes are sealed.

    The metadata says, for this layer only, which object it is. Upload ids and the etags of parts
    carry what the next step must know. Every part but the last must have 8 MiB.
    """

    clear = frozenset({Check, Erase})

    def __init__(self, codec: Sealer, worker: Worker, site: Site) -> None:
        super().__init__(codec, worker, site)
        self._frames = Frames(codec)

    @codes(Head, ReadRange, most=3)
    def head(self, inner: Handler[Any, Any]) -> Handler[Head, Info | None]:
        read = self.read_range(self._below(ReadRange))

        async def answer(op: Head) -> Info | None:
            info: Info | None = await inner(op)
            if info is None:
                return None
            plain = self._plain(info)
            if plain.size or plain is info:
                return plain
            found = await read(ReadRange(op.key, fresh=op.fresh, scope=op.scope))
            return None if found is None else found.info  # no reader would see that it was cut

        return answer

    @codes(HeadMany, Head, ReadRange, most=3)
    def head_many(self, inner: Handler[Any, Any]) -> Handler[HeadMany, tuple[Any, ...]]:
        del inner  # an empty object is read
        return emulate(self.head(self._below(Head)), self._site.runtime)

    @codes(ListObjects)
    def list_objects(self, inner: Handler[Any, Any]) -> Handler[ListObjects, Page[Info]]:
        async def answer(op: ListObjects) -> Page[Info]:
            page = await inner(op)
            return Page(tuple(map(self._listed, page.items)), page.next)

        return answer

    @codes(Put)
    def put(self, inner: Handler[Any, Any]) -> Handler[Put, Info]:
        async def answer(op: Put) -> Info:
            marker = self._frames.marker(token_bytes(16))
            metadata = _marked(op.metadata, marker)
            seal = self._frames.seal_end
            data = await self._worker.run(len(op.data), seal, marker, _at(op), op.data, 0)
            put = Put(op.key, data, op.type, metadata, op.if_absent, op.if_etag, scope=op.scope)
            return self._plain(await inner(put))

        return answer

    @codes(Begin)
    def begin(self, inner: Handler[Any, Any]) -> Handler[Begin, str]:
        async def answer(op: Begin) -> str:
            marker = self._frames.marker(token_bytes(16))
            metadata = _marked(op.metadata, marker)
            upload = await inner(Begin(op.key, op.type, metadata, scope=op.scope))
            return f"{marker}.{upload}"

        return answer

    @codes(PutPart)
    def put_part(self, inner: Handler[Any, Any]) -> Handler[PutPart, str]:
        async def answer(op: PutPart) -> str:
            marker, upload = self._upload(op.upload)
            if len(op.data) > PART:
                msg = f"a part must have at most {PART} bytes, got {len(op.data)}"
                raise Invalid(msg, layer=self._codec.layer)
            is_full = len(op.data) == PART
            seal = self._frames.seal if is_full else self._frames.seal_end
            first = (op.number - 1) * (PART // FRAME)
            data = await self._worker.run(len(op.data), seal, marker, _at(op), op.data, first)
            etag = await inner(PutPart(op.key, upload, op.number, data, scope=op.scope))
            return f"{etag}.{_FULL if is_full else _LAST}"

        return answer

    @codes(Finish, PutPart, Head, most=2)
    def finish(self, inner: Handler[Any, Any]) -> Handler[Finish, Info]:
        async def answer(op: Finish) -> Info:
            marker, upload = self._upload(op.upload)
            named = [part.rpartition(".") for part in op.parts]
            parts = [etag for etag, _, _ in named]
            if any(kind != _FULL for _, _, kind in named[:-1]):
                msg = f"every part but the last must have {PART} bytes"
                raise Invalid(msg, layer=self._codec.layer)
            if not named or named[-1][2] == _FULL:
                try:
                    parts.append(await self._ended(op, marker, upload))
                except Invalid:
                    info = await self._finished(op, marker)
                    if info is None:
                        raise
                    return info
            finish = Finish(op.key, upload, tuple(parts), op.if_absent, op.if_etag, scope=op.scope)
            return self._plain(await inner(finish))

        return answer

    @codes(Abort)
    def abort(self, inner: Handler[Any, Any]) -> Handler[Abort, bool]:
        async def answer(op: Abort) -> bool:
            upload = op.upload.split(".", 3)[-1] or op.upload  # or begun without this layer
            return cast("bool", await inner(Abort(op.key, upload, scope=op.scope)))

        return answer

    @codes(ReadRange, most=2)
    def read_range(self, inner: Handler[Any, Any]) -> Handler[ReadRange, Chunk | None]:
        async def answer(op: ReadRange) -> Chunk | None:
            if op.start < 0:
                msg = f"start must be at least 0, got {op.start!r}"
                raise Invalid(msg, layer=self._codec.layer)
            first, after = op.start // FRAME, -(-(op.start + op.length) // FRAME)
            found = await inner(_range(op, first, after - first, op.etag))
            if found is None:
                return None
            if _NAME not in found.info.metadata:
                self._codec.plain(b"")
                etag = op.etag or found.info.etag  # another version may be sealed
                plain = ReadRange(op.key, op.start, op.length, etag, op.fresh, scope=op.scope)
                return cast("Chunk | None", await inner(plain))
            return await self._opened(inner, op, found)

        return answer

    async def _opened(self, inner: Handler[Any, Any], op: ReadRange, found: Chunk) -> Chunk:
        """Open the frames that were found, and always see the last if the end is told."""
        marker = self._frames.parsed(found.info.metadata[_NAME])
        info = self._plain(found.info)
        first, last = op.start // FRAME, info.size // FRAME
        end = op.start + op.length
        after = -(-end // FRAME)
        self._check(found, first, after)
        data = await self._worker.run(
            len(found.data), self._frames.open, marker, _at(op), found.data, first
        )
        if (end >= info.size and after <= last) or first > last:
            tail = await inner(_range(op, last, 1, found.info.etag))
            if tail is None:
                msg = "the object was deleted while it was read"
                raise Conflict(msg)
            self._check(tail, last, last + 1)
            self._frames.open(marker, _at(op), tail.data, last)
        skipped = op.start - first * FRAME
        return Chunk(data[skipped : skipped + op.length], info)

    def _check(self, found: Chunk, first: int, after: int) -> None:
        """Refuse fewer or more bytes than the frames from *first* to *after* have."""
        wanted = min(after * SEALED, found.info.size) - first * SEALED
        if len(found.data) != max(wanted, 0):
            self._codec.refuse("a range of a sealed object is cut off")

    def _listed(self, info: Info) -> Info:
        with within(info.key):
            return self._plain(info)

    def _plain(self, info: Info) -> Info:
        """Return what is told of the object itself; as it is if it is not sealed."""
        if _NAME not in info.metadata:
            return info
        metadata = {name: told for name, told in info.metadata.items() if name != _NAME}
        return replace(info, size=self._frames.size(info.size), metadata=freeze(metadata))

    async def _ended(self, op: Finish, marker: Marker, upload: str) -> str:
        """Write the frame that ends an object of full parts only, as a part of its own."""
        number = len(op.parts) + 1
        first = (number - 1) * (PART // FRAME)
        data = self._frames.seal_end(marker, _at(op), b"", first)
        part = PutPart(op.key, upload, number, data, scope=op.scope)
        return cast("str", await self._below(PutPart)(part))

    async def _finished(self, op: Finish, marker: Marker) -> Info | None:
        """Return the object if it is the one that this upload made: it was finished before."""
        info: Info | None = await self._below(Head)(Head(op.key, fresh=True, scope=op.scope))
        if info is None or info.metadata.get(_NAME) != str(marker):
            return None
        return self._plain(info)

    def _upload(self, name: str) -> tuple[Marker, str]:
        *mark, upload = name.split(".", 3)
        if len(mark) != 3 or not upload:
            msg = "there is no such upload: it was not begun through this layer"
            raise Invalid(msg, layer=self._codec.layer)
        return self._frames.parsed(".".join(mark)), upload


def _at(op: Any) -> Place:
    return ("media", op.scope, op.key)


def _range(op: ReadRange, first: int, count: int, etag: str | None) -> ReadRange:
    return ReadRange(op.key, first * SEALED, count * SEALED, etag, op.fresh, scope=op.scope)


def _marked(metadata: Json, marker: Marker) -> Json:
    told = metadata_of(metadata)
    if _NAME in told:
        msg = f"metadata must not have {_NAME!r}"
        raise Invalid(msg)
    return Json.of({**told, _NAME: str(marker)})
