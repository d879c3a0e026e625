"""Media in a bucket of Supabase Storage."""

from __future__ import annotations

from math import ceil
from typing import Any, Final, final

from lamina.backend import serves
from lamina.backends.supabase.client import Client, after_writing
from lamina.backends.supabase.document_rows import rows_of
from lamina.backends.supabase.names import NAMES
from lamina.backends.supabase.objects import Label, Stored
from lamina.backends.supabase.ranges import Range
from lamina.backends.supabase.uploads import Uploads
from lamina.domains.media import (
    Abort,
    Begin,
    Chunk,
    Erase,
    Finish,
    Head,
    Info,
    ListObjects,
    MediaBackend,
    Put,
    PutPart,
    ReadRange,
    Sign,
    check_range,
    has_condition,
    metadata_of,
)
from lamina.domains.store import Check
from lamina.errors import Conflict, Invalid, StackError, Unsupported
from lamina.values import Page

_MOST: Final = 1000
"""Objects in one page."""

_TRIES: Final = 5
_LONGEST_SIGNED: Final = 365 * 86_400


@final
class SupabaseMedia(MediaBackend):
    """Objects in the bucket *bucket*, which exists, of the project at *url*.

    *key* is the project's service key, or a user's token where policies say what is allowed.
    Listings need the function ``lamina_objects``, from the SQL that ``lamina sql supabase``
    prints. Storage decides no races, so conditions are refused. Etags are Storage's own.
    An upload in parts keeps them as objects beneath ``=u/`` until it is finished or aborted.
    *timeout* and *connect_timeout* in seconds bound each wait, *connections*, 2 or more, how many
    there are.

    Raises:
        StackError: An option is wrong.
    """

    name = "supabase"
    needs_open = True

    def __init__(
        self,
        url: str,
        key: str,
        *,
        bucket: str,
        token: str | None = None,
        schema: str = "public",
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        connections: int = 20,
    ) -> None:
        if bucket in {"", ".", ".."} or "/" in bucket:
            msg = "bucket must be the name of one"
            raise StackError(msg)
        if connections < 2:
            msg = f"connections must be at least 2, one for an upload's parts, got {connections!r}"
            raise StackError(msg)
        self.bucket = bucket
        self._client = Client(
            url,
            key,
            token=token,
            schema=schema,
            timeout=timeout,
            connect_timeout=connect_timeout,
            most=connections,
        )
        self._uploads = Uploads(self._client, bucket, joins=connections - 1, timeout=timeout)

    async def open(self) -> None:
        """Connect, and see that the bucket and the function are there.

        Raises:
            StorageError: Says which is missing, or why the project does not answer.
        """
        self._client.wall = self.runtime.wall
        await self._client.open()
        await self.check(Check())

    async def close(self) -> None:
        await self._client.close()

    @serves(Head)
    async def head(self, op: Head) -> Info | None:
        found = await self._found(NAMES.name(op.scope, op.key))
        return None if found is None else found.info(op.key)

    @serves(ReadRange)
    async def read_range(self, op: ReadRange) -> Chunk | None:
        """Read, and see what it was read of: the two answers must be about one version."""
        check_range(op, op.etag or "")
        name = NAMES.name(op.scope, op.key)
        for _ in range(_TRIES):
            read = await Range.read(self._client, self.bucket, name, op)
            found = await self._found(name)
            if found is None:
                return None
            check_range(op, found.etag)
            if read is not None and read.is_of(found, op):
                return Chunk(read.data, found.info(op.key))
        msg = "the object is changed faster than it can be read"
        raise Conflict(msg, transient=True)

    @serves(Put)
    async def put(self, op: Put) -> Info:
        if has_condition(op):
            raise _no_conditions()
        name, label = NAMES.name(op.scope, op.key), Label.of(op)
        options: Any = {
            "content-type": label.content_type,
            "upsert": "true",
            "metadata": label.kept(),
        }
        with self._client.asking():
            await self._files.upload(name, op.data, options)
        return await self._written(name, label, len(op.data))

    @serves(Begin)
    async def begin(self, op: Begin) -> str:
        with self._client.asking():
            return await self._uploads.begin(op)

    @serves(PutPart)
    async def put_part(self, op: PutPart) -> str:
        with self._client.asking():
            return await self._uploads.put_part(op)

    @serves(Finish)
    async def finish(self, op: Finish) -> Info:
        if has_condition(op):
            raise _no_conditions()
        name = NAMES.name(op.scope, op.key)
        with self._client.asking():
            label = await self._uploads.label(op)
        if label is None:
            found = await self._found(name)
            if found is None or found.label is None or found.label.upload != op.upload:
                msg = "there is no such upload: it was finished, aborted or never begun"
                raise Invalid(msg)
            with after_writing(), self._client.asking():
                await self._uploads.end(op)  # what a first try left
            return found.info(op.key)
        with self._client.asking():
            size = await self._uploads.join(op, label, name)
        return await self._written(name, label, size)

    @serves(Abort)
    async def abort(self, op: Abort) -> bool:
        with self._client.asking():
            return await self._uploads.end(op)

    @serves(Erase)
    async def erase(self, op: Erase) -> bool:
        with self._client.asking():
            return bool(rows_of(await self._files.remove([NAMES.name(op.scope, op.key)])))

    @serves(ListObjects, "unique")
    async def list_objects(self, op: ListObjects) -> Page[Info]:
        limit = min(op.limit, _MOST)
        with self._client.asking():
            rows = await self._uploads.page(
                NAMES.stem(op.scope, op.prefix), op.cursor or "", limit, inner=bool(op.scope)
            )
        items: list[Info] = []
        for row in rows:
            key = NAMES.key(op.scope, row.name) or (row.label.key if row.label else None)
            if key is not None and key.startswith(op.prefix):
                items.append(row.info(key))
        return Page(tuple(items), rows[-1].name if len(rows) == limit else None)

    @serves(Sign, expires=_LONGEST_SIGNED)
    async def sign(self, op: Sign) -> str:
        if op.expires > _LONGEST_SIGNED:
            msg = f"a signed URL lives at most {_LONGEST_SIGNED} s, got {op.expires:g}"
            raise Invalid(msg)
        with self._client.asking():
            name, seconds = NAMES.name(op.scope, op.key), ceil(op.expires)
            told = await self._files.create_signed_url(name, seconds)
        return str(told["signedUrl"])

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        with self._client.asking():
            await self._client.supabase.storage.get_bucket(self.bucket)
            await self._uploads.page(NAMES.begin("check"), "", 1, inner=True)

    @property
    def _files(self) -> Any:
        return self._client.supabase.storage.from_(self.bucket)

    async def _found(self, name: str) -> Stored | None:
        from lamina.backends.supabase.failures import NoObject

        try:
            with self._client.asking():
                told = await self._files.info(name)
        except NoObject:
            return None
        return Stored.of_info(told, name)

    async def _written(self, name: str, label: Label, size: int) -> Info:
        with after_writing():
            found = await self._found(name)
        if found is None:  # deleted since, which does not undo that it was written
            now, metadata = self.runtime.wall(), metadata_of(label.metadata)
            return Info(label.key, size, "", label.type, metadata, now)
        return found.info(label.key)


def _no_conditions() -> Unsupported:
    return Unsupported("Storage decides no races, so it takes no conditions")
