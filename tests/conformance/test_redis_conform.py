"""Redis does what the key-value interface promises, on each server and in each topology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from lamina.backends.redis import RedisKeyValue
from lamina.testing.contracts import KeyValueContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Cluster, OldRedis, Redis, Sentinel, Valkey

_ELAPSE: Final = """
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local left = redis.call('PTTL', key)
    if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
  end
until cursor == '0'
"""
"""Brings the expiry of each key nearer by so many milliseconds."""


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[Cluster]:
    from lamina.testing.servers import Cluster

    with Cluster(replicas=0) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def redis_sentinel() -> Iterator[Sentinel]:
    from lamina.testing.servers import Sentinel

    with Sentinel(replicas=0, sentinels=1) as sentinel:  # no master dies here
        yield sentinel


class OnServer(KeyValueContract):
    """Each backend has a database of its own."""

    examples = 10

    def backend(self) -> RedisKeyValue:
        self._url = self._server.database()
        return RedisKeyValue(self._url)

    async def elapse(self, seconds: float) -> None:
        with self._server.connection() as run:
            run("SELECT", self._url.rpartition("/")[2])
            run("EVAL", _ELAPSE, 0, round(seconds * 1000))

    _server: Valkey


@pytest.mark.server
class TestRedisKeyValueOnValkey(OnServer):
    examples = 40

    @pytest.fixture(autouse=True)
    def _on(self, valkey: Valkey) -> None:
        self._server = valkey


@pytest.mark.server
class TestRedisKeyValueOnRedis8(OnServer):
    @pytest.fixture(autouse=True)
    def _on(self, redis8: Redis) -> None:
        self._server = redis8


@pytest.mark.server
class TestRedisKeyValueOnRedis62(OnServer):
    @pytest.fixture(autouse=True)
    def _on(self, redis62: OldRedis) -> None:
        self._server = redis62


@pytest.mark.server
class TestRedisKeyValueInCluster(KeyValueContract):
    examples = 5

    @pytest.fixture(autouse=True)
    def _on(self, redis_cluster: Cluster) -> None:
        self._cluster = redis_cluster

    def backend(self) -> RedisKeyValue:
        self._cluster.flush()
        return RedisKeyValue(self._cluster.url, topology="cluster")

    async def elapse(self, seconds: float) -> None:
        for node in self._cluster.masters:
            with node.connection() as run:
                run("EVAL", _ELAPSE, 0, round(seconds * 1000))


@pytest.mark.server
class TestRedisKeyValueBySentinel(KeyValueContract):
    examples = 5

    @pytest.fixture(autouse=True)
    def _on(self, redis_sentinel: Sentinel) -> None:
        self._sentinel = redis_sentinel
        self._numbers = 0

    def backend(self) -> RedisKeyValue:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel.ports)
        self._url = self._sentinel.nodes[0].database()
        number = self._url.rpartition("/")[2]
        return RedisKeyValue(
            f"redis://{hosts}/{number}", topology="sentinel", master=self._sentinel.name
        )

    async def elapse(self, seconds: float) -> None:
        with self._sentinel.nodes[0].connection() as run:
            run("SELECT", self._url.rpartition("/")[2])
            run("EVAL", _ELAPSE, 0, round(seconds * 1000))
