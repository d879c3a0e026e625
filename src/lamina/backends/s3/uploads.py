"""Uploads in parts, by S3's own."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.s3.labels import Label, Stored, bare, in_base64, text_of
from lamina.errors import Conflict, Invalid

if TYPE_CHECKING:
    from lamina.backends.s3.client import Client
    from lamina.domains.media import Abort, Begin, Finish, PutPart

_UPLOAD: Final = re.compile(r"([0-9a-f]{16})-([!-~]{1,1000})")
_PART: Final = re.compile(r"([0-9a-f]{64})-([!#-~]{1,200})")


@final
class Uploads:
    """Those of one bucket; an id has a token of ours, which the object keeps, and S3's own id."""

    most: Final = 10_000
    """Parts of one upload."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, op: Begin, name: str, *, cut: bool) -> str:
        """Begin an upload; return its id."""
        token = token_hex(8)
        label = Label.of(op, token=token)
        with self._client.asking():
            told = await self._client.s3.create_multipart_upload(
                Bucket=self._client.bucket,
                Key=name,
                ContentType=label.content_type,
                Metadata=label.kept(cut=cut),
                ChecksumAlgorithm="SHA256",
            )
        return f"{token}-{text_of(told, 'UploadId')}"

    async def put_part(self, op: PutPart, name: str, digest: str) -> str:
        """Write one part with that *digest*; return its digest and etag.

        Raises:
            Invalid: There is no such upload.
        """
        if op.number > self.most:
            msg = f"an upload has at most {self.most} parts, got number {op.number}"
            raise Invalid(msg)
        _, upload = _ids(op.upload)
        with self._client.asking():
            told = await self._client.s3.upload_part(
                Bucket=self._client.bucket,
                Key=name,
                UploadId=upload,
                PartNumber=op.number,
                Body=op.data,
                ChecksumSHA256=in_base64(digest),
            )
        return f"{digest}-{bare(text_of(told, 'ETag'))}"

    async def finish(self, op: Finish, name: str, conditions: Any) -> Stored:
        """Make the object; asked again, tell what the first time made.

        Raises:
            Invalid: There is no such upload, or a part was not written.
            Conflict: The condition does not hold, and it was not we who broke it.
        """
        from lamina.backends.s3.failures import NoUpload

        token, upload = _ids(op.upload)
        parts = [_part(number, told) for number, told in enumerate(op.parts, 1)]
        if not parts:
            raise _no_part()
        try:
            with self._client.asking():
                told = await self._client.s3.complete_multipart_upload(
                    Bucket=self._client.bucket,
                    Key=name,
                    UploadId=upload,
                    MultipartUpload={"Parts": parts},
                    **conditions,
                )
        except (NoUpload, Conflict):  # perhaps with what it made itself, a try before
            found = await self._client.head(name)
            if found is None or found.label is None or found.label.token != token:
                raise
            return found
        text_of(told, "ETag")  # what a gateway's page has not
        found = await self._client.head(name)
        if found is None:
            msg = "the object was deleted as soon as it was written"
            raise Conflict(msg)
        return found

    async def abort(self, op: Abort, name: str) -> bool:
        """Throw an upload away; tell whether there was one."""
        from lamina.backends.s3.failures import NoUpload

        try:
            _, upload = _ids(op.upload)
            with self._client.asking():
                await self._client.s3.list_parts(
                    Bucket=self._client.bucket, Key=name, UploadId=upload, MaxParts=1
                )
                await self._client.s3.abort_multipart_upload(
                    Bucket=self._client.bucket, Key=name, UploadId=upload
                )
        except NoUpload:
            return False
        return True


def _ids(upload: str) -> tuple[str, str]:
    from lamina.backends.s3.failures import FAILURES

    found = _UPLOAD.fullmatch(upload)
    if found is None:
        raise FAILURES["no upload"].error()
    return found[1], found[2]


def _part(number: int, told: str) -> Any:
    found = _PART.fullmatch(told)
    if found is None:
        raise _no_part()
    return {
        "PartNumber": number,
        "ETag": f'"{found[2]}"',
        "ChecksumSHA256": in_base64(found[1]),
    }


def _no_part() -> Invalid:
    return Invalid("a part was not written, or is another than its etag says")
