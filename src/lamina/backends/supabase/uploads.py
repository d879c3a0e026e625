"""Uploads in parts: each part an object of its own, joined by one streamed upload at the end."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.supabase.client import after_writing
from lamina.backends.supabase.document_rows import rows_of
from lamina.backends.supabase.forms import Form
from lamina.backends.supabase.names import NAMES, UPLOADS
from lamina.backends.supabase.objects import Label, Stored
from lamina.errors import Corrupt, Invalid
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from lamina.backends.supabase.client import Client
    from lamina.domains.media import Abort, Begin, Finish, PutPart

_ID: Final = re.compile(r"[0-9a-f]{48}")
_PART: Final = re.compile(r"([0-9]{1,6})-([0-9a-f]{64})")
_MANIFEST: Final = "manifest"
_PAGE: Final = 1000
_MOST_PARTS: Final = 100_000
_PLAIN: Final[dict[str, Any]] = {"content-type": "application/octet-stream", "upsert": "true"}


@final
class Uploads:
    """Those of one bucket; the id of an upload tells to which object it belongs.

    At most *joins* are joined at once, each with two connections: if all had their first, none
    would get its second. The others wait, for *timeout* seconds.
    """

    def __init__(self, client: Client, bucket: str, *, joins: int, timeout: float) -> None:
        self._client = client
        self._bucket = bucket
        self._joins = asyncio.Semaphore(joins)
        self._timeout = timeout

    async def begin(self, op: Begin) -> str:
        """Write the manifest; return the upload's id."""
        id_ = token_hex(8) + _place(op.scope, op.key)
        kept = Json.of(Label.of(op, id_).kept()).data
        await self._files.upload(_folder(id_) + _MANIFEST, kept, _PLAIN)
        return id_

    async def put_part(self, op: PutPart) -> str:
        """Write one part; return its digest.

        Raises:
            Invalid: There is no such upload, also when it ended meanwhile.
        """
        if op.number > _MOST_PARTS:
            msg = f"an upload has at most {_MOST_PARTS} parts, got number {op.number}"
            raise Invalid(msg)
        folder = _folder_of(op)
        digest = (await asyncio.to_thread(sha256, op.data)).hexdigest()
        name = f"{folder}{op.number}-{digest}"
        await self._files.upload(name, op.data, _PLAIN)
        with after_writing(), self._client.asking():
            if await self._manifest(folder) is not None:
                return digest
            await self._files.remove([name])  # it ended: nobody else would
        raise _no_upload()

    async def label(self, op: Finish) -> Label | None:
        """Return what the upload makes, None if it is over."""
        try:
            folder = _folder_of(op)
        except Invalid:
            return None
        return await self._manifest(folder)

    async def join(self, op: Finish, label: Label, name: str) -> int:
        """Make the object *name* of the parts, and remove them; return its size.

        Raises:
            Invalid: A part was not written, or is another than its etag says.
            Unavailable: Too many others are being joined.
        """
        folder = _folder_of(op)
        there = await self._parts(folder)
        names = [f"{folder}{number}-{etag}" for number, etag in enumerate(op.parts, 1)]
        if not names or not there.keys() >= {*names}:
            msg = "a part was not written, or is another than its etag says"
            raise Invalid(msg)
        size, form = sum(there[one] for one in names), Form(label)
        headers = {
            "x-upsert": "true",
            "content-type": form.type,
            "content-length": str(len(form.head) + size + len(form.tail)),
        }
        path = ("object", self._bucket, *name.split("/"))
        async with self._place():
            content = self._form(form, names)
            await self._client.storage("POST", *path, headers=headers, content=content)
        with after_writing(), self._client.asking():
            await self._remove(folder, there)
        return size

    async def end(self, op: Abort | Finish) -> bool:
        """Remove the upload with all its parts; tell whether there was one."""
        try:
            folder = _folder_of(op)
        except Invalid:
            return False
        return await self._remove(folder, await self._parts(folder))

    async def page(self, stem: str, after: str, most: int, *, inner: bool) -> list[Stored]:
        """Return objects whose name begins with *stem*, in order, from behind *after*.

        *inner* tells that those of scopes and uploads are meant too.

        Raises:
            Corrupt: The function gave something else.
        """
        given = {
            "bucket": self._bucket,
            "stem": stem,
            "behind": after,
            "most": most,
            "inner_too": inner,
        }
        told = await self._client.call("lamina_objects", given)
        return [Stored.of_row(row) for row in rows_of(told)]

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None, None]:
        from lamina.backends.supabase.failures import FAILURES

        try:
            async with asyncio.timeout(self._timeout):
                await self._joins.acquire()
        except TimeoutError as error:
            raise FAILURES["pool timeout"].error() from error
        try:
            yield
        finally:
            self._joins.release()

    async def _form(self, form: Form, names: list[str]) -> AsyncIterator[bytes]:
        """Give a form with the parts as one file, holding one of them at a time."""
        yield form.head
        for name in names:
            data = await self._files.download(name)
            if (await asyncio.to_thread(sha256, data)).hexdigest() != name[-64:]:
                msg = "a part is not what was uploaded"
                raise Corrupt(msg)
            yield data
        yield form.tail

    async def _manifest(self, folder: str) -> Label | None:
        from lamina.backends.supabase.failures import NoObject

        try:
            with self._client.asking():
                data = await self._files.download(folder + _MANIFEST)
        except NoObject:
            return None
        return Label.read(Json(data).value())

    async def _parts(self, folder: str) -> dict[str, int]:
        """Return the names of the parts with their sizes."""
        found: dict[str, int] = {}
        after = ""
        while True:
            page = await self.page(folder, after, _PAGE, inner=True)
            for one in page:
                if _PART.fullmatch(one.name.removeprefix(folder)):
                    found[one.name] = one.size
            if len(page) < _PAGE:
                return found
            after = page[-1].name

    async def _remove(self, folder: str, parts: Iterable[str]) -> bool:
        """Remove the manifest, which ends the upload, then the parts."""
        ended = bool(rows_of(await self._files.remove([folder + _MANIFEST])))
        left = sorted(parts)
        with after_writing(), self._client.asking():
            for start in range(0, len(left), _PAGE):
                rows_of(await self._files.remove(left[start : start + _PAGE]))
        return ended

    @property
    def _files(self) -> Any:
        return self._client.supabase.storage.from_(self._bucket)


def _folder(id_: str) -> str:
    return f"{UPLOADS}{id_}/"


def _folder_of(op: PutPart | Finish | Abort) -> str:
    """Return where the upload's objects are.

    Raises:
        Invalid: It is no upload of that object.
    """
    if not _ID.fullmatch(op.upload) or not op.upload.endswith(_place(op.scope, op.key)):
        raise _no_upload()
    return _folder(op.upload)


def _place(scope: str, key: str) -> str:
    return sha256(NAMES.name(scope, key).encode()).hexdigest()[:32]


def _no_upload() -> Invalid:
    return Invalid("there is no such upload: it was finished, aborted or never begun")
