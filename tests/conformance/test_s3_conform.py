"""S3 does what the interface promises, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.backends.s3 import S3Media
from lamina.testing.contracts import MediaContract

if TYPE_CHECKING:
    from lamina.testing.servers import S3


@pytest.mark.server
class TestS3Media(MediaContract):
    examples = 5
    sweep_points = 30
    racers = 20  # losers of a conditional write queue for seconds

    @pytest.fixture(autouse=True)
    def _server(self, s3: S3) -> None:
        self._s3 = s3

    def backend(self) -> S3Media:
        return S3Media(
            self._s3.bucket(),
            endpoint=self._s3.url,
            region=self._s3.region,
            access_key=self._s3.access_key,
            secret_key=self._s3.secret_key,
        )
