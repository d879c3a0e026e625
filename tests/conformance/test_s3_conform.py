"""S3 does what the interface promises, on a real server."""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import aioboto3
import pytest

from lamina.backends.s3 import S3Media
from lamina.domains.media import Begin, Finish, PutPart
from lamina.errors import Conflict
from lamina.testing.contracts import MediaContract

if TYPE_CHECKING:
    from lamina.testing.servers import S3


@pytest.mark.server
class TestS3Media(MediaContract):
    examples = 5
    sweep_points = 8
    upload_points = 4
    racers = 20  # losers of a conditional write queue: 50 of them for 13 s on a busy machine

    @pytest.fixture(autouse=True)
    def _server(self, s3: S3) -> None:
        self._s3 = s3

    def backend(self) -> S3Media:
        self._prefix = f"{token_hex(8)}/"
        return S3Media(
            "lamina",  # each bucket takes a volume of SeaweedFS, of which a disk holds few
            prefix=self._prefix,
            endpoint=self._s3.url,
            region=self._s3.region,
            access_key=self._s3.access_key,
            secret_key=self._s3.secret_key,
        )

    async def test_lets_one_of_two_uploads_make_what_is_absent(self) -> None:
        """One after the other: SeaweedFS decides no race of two ends, as S3 does."""
        async with self.opened() as store:
            for at in range(2):
                upload = await store.bound.send(Begin("a"))
                etag = await store.bound.send(PutPart("a", upload, 1, b"%d" % at))
                finish = Finish("a", upload, (etag,), if_absent=True)
                if at:
                    with pytest.raises(Conflict):
                        await store.bound.send(finish)
                else:
                    await store.bound.send(finish)
            assert await store.get("a") == b"0"

    async def unfinished(self) -> int | None:
        """Count them as others see them: an upload that was aborted may be shown for a moment."""
        session: Any = aioboto3.Session()
        client = session.client(
            "s3",
            endpoint_url=self._s3.url,
            region_name=self._s3.region,
            aws_access_key_id=self._s3.access_key,
            aws_secret_access_key=self._s3.secret_key,
        )
        left: list[Any] = []
        async with client as s3:
            for _ in range(100):
                told = await s3.list_multipart_uploads(Bucket="lamina", Prefix=self._prefix)
                left = told.get("Uploads", [])
                if not left:
                    break
                await asyncio.sleep(0.05)
        return len(left)
