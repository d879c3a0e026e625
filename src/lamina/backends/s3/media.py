"""Media in a bucket of S3, or of what speaks its protocol."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, final

from lamina.backend import serves
from lamina.backends.s3.client import Client
from lamina.backends.s3.digests import digest_of
from lamina.backends.s3.labels import Label, Stored, bare, in_base64, quoted, text_of
from lamina.backends.s3.listing import listed
from lamina.backends.s3.names import names_of
from lamina.backends.s3.reading import read_range
from lamina.backends.s3.uploads import Uploads
from lamina.capabilities import Capabilities
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
    has_condition,
)
from lamina.domains.store import Check
from lamina.errors import Conflict, Invalid, StackError, Unsupported
from lamina.values import Page

_LONGEST_SIGNED: Final = 7 * 86_400
_LONGEST_PREFIX: Final = 256
_PREFIX: Final = re.compile(r"(?:(?!\.+(?:/|$))[A-Za-z0-9!_.()-]+(?:/|$))*")
_TRIES: Final = 5


@final
class S3Media(MediaBackend):
    """Objects in *bucket*, which exists, at *endpoint* or at AWS in *region*.

    Without *access_key* and *secret_key* the credentials are what the AWS SDK finds when it opens
    (its environment variables, files and roles). All names begin with *prefix*. Where an
    endpoint ignores conditions, ``conditional=False`` makes them be refused.

    Each object is written with its SHA-256, which S3 checks, and which is checked again whenever
    a whole object is read at once. *timeout* and *connect_timeout* in seconds bound each wait,
    *connections* how many there are.

    Raises:
        StackError: An option is wrong.
    """

    name = "s3"
    needs_open = True

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        prefix: str = "",
        conditional: bool = True,
        connections: int = 50,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
    ) -> None:
        if len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix):
            msg = (
                f"prefix must be at most {_LONGEST_PREFIX} letters, digits and '!_.()-' "
                "in segments that '/' parts, of which none is empty or dots alone"
            )
            raise StackError(msg)
        self.conditional = conditional
        self._names = names_of(prefix)
        self._client = Client(
            bucket,
            endpoint=endpoint,
            region=region,
            keys=(access_key, secret_key, session_token),
            connections=connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        self._uploads = Uploads(self._client)

    def capabilities(self) -> Capabilities:
        """Return what it serves: conditions, unless they are switched off."""
        served = super().capabilities()
        if self.conditional:
            return served
        plain = {op: replace(how, features=frozenset[str]()) for op, how in served.items()}
        return Capabilities({**served, Put: plain[Put], Finish: plain[Finish]})

    async def open(self) -> None:
        """Connect, and see that the bucket is there.

        Raises:
            StorageError: What is missing, or why the service does not answer.
        """
        self._client.wall = self.runtime.wall
        await self._client.open()

    async def close(self) -> None:
        await self._client.close()

    @serves(Head)
    async def head(self, op: Head) -> Info | None:
        found = await self._client.head(self._names.name(op.scope, op.key))
        return None if found is None else found.info(op.key)

    @serves(ReadRange)
    async def read_range(self, op: ReadRange) -> Chunk | None:
        return await read_range(self._client, self._names.name(op.scope, op.key), op)

    @serves(Put, "conditional")
    async def put(self, op: Put) -> Info:
        name, digest = self._names.name(op.scope, op.key), await digest_of(op.data)
        label = Label.of(op, digest=digest, modified=self.runtime.wall())
        conditions = self._conditions(op)
        with self._client.asking():
            told = await self._client.s3.put_object(
                Bucket=self._client.bucket,
                Key=name,
                Body=op.data,
                ContentType=label.content_type,
                Metadata=label.kept(cut=self._names.key(op.scope, name) is None),
                ChecksumSHA256=in_base64(digest),
                **conditions,
            )
        return Stored(len(op.data), bare(text_of(told, "ETag")), op.type, 0.0, label).info(op.key)

    @serves(Begin)
    async def begin(self, op: Begin) -> str:
        name = self._names.name(op.scope, op.key)
        return await self._uploads.begin(op, name, cut=self._names.key(op.scope, name) is None)

    @serves(PutPart, parts=Uploads.most)
    async def put_part(self, op: PutPart) -> str:
        digest = await digest_of(op.data)
        return await self._uploads.put_part(op, self._names.name(op.scope, op.key), digest)

    @serves(Finish, "conditional")
    async def finish(self, op: Finish) -> Info:
        name = self._names.name(op.scope, op.key)
        return (await self._uploads.finish(op, name, self._conditions(op))).info(op.key)

    @serves(Abort)
    async def abort(self, op: Abort) -> bool:
        return await self._uploads.abort(op, self._names.name(op.scope, op.key))

    @serves(Erase)
    async def erase(self, op: Erase) -> bool:
        """Look and delete what was seen: S3 itself does not tell whether there was anything."""
        from lamina.backends.s3.failures import NoObject

        name = self._names.name(op.scope, op.key)
        for _ in range(_TRIES):
            found = await self._client.head(name)
            if found is None:
                return False
            seen: Any = {"IfMatch": quoted(found.etag)} if self.conditional else {}
            try:
                with self._client.asking():
                    await self._client.s3.delete_object(
                        Bucket=self._client.bucket, Key=name, **seen
                    )
            except NoObject:
                return False
            except Conflict:
                continue  # it was written in between
            return True
        msg = "the object is changed faster than it can be deleted"
        raise Conflict(msg, transient=True)

    @serves(ListObjects, "unique")
    async def list_objects(self, op: ListObjects) -> Page[Info]:
        return await listed(self._client, self._names, op, self.runtime)

    @serves(Sign, expires=_LONGEST_SIGNED)
    async def sign(self, op: Sign) -> str:
        if op.expires > _LONGEST_SIGNED:
            msg = f"a signed URL lives at most {_LONGEST_SIGNED} s, got {op.expires:g}"
            raise Invalid(msg)
        name = self._names.name(op.scope, op.key)
        if await self._client.head(name) is None:
            msg = "there is no such object"
            raise Invalid(msg)
        with self._client.asking():
            url: str = await self._client.s3.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._client.bucket, "Key": name},
                ExpiresIn=max(round(op.expires), 1),
            )
        return url

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._client.look()

    def _conditions(self, op: Put | Finish) -> Any:
        if not has_condition(op):
            return {}
        if not self.conditional:
            msg = "conditions are switched off for this endpoint"
            raise Unsupported(msg)
        return {"IfNoneMatch": "*"} if op.if_absent else {"IfMatch": quoted(op.if_etag or "")}
