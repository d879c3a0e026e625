"""Upstash Vector does what the interface promises, as far as its local server tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.backends.upstash import UpstashVectors
from lamina.embed import default_embedder
from lamina.testing.contracts import VectorsContract

if TYPE_CHECKING:
    from lamina.testing.servers import Upstash
    from lamina.testing.servers.vector import Kind


class InIndexes:
    """Gives each backend an index of its own."""

    examples = 20

    @pytest.fixture(autouse=True)
    def _server(self, upstash: Upstash) -> None:
        self._upstash = upstash

    def made(self, kind: Kind) -> UpstashVectors:
        url, token = self._upstash.index(kind)
        return UpstashVectors(url, token, search_lag=0.0)


@pytest.mark.server
class TestUpstashVectors(InIndexes, VectorsContract):
    def backend(self) -> UpstashVectors:
        return self.made("dense")


@pytest.mark.server
class TestUpstashVectorsWithText(InIndexes, VectorsContract):
    dimension = default_embedder().dimension

    def backend(self) -> UpstashVectors:
        return self.made("embedding")
