"""Every layer that ships does what a layer must."""

from __future__ import annotations

from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.log import Log
from lamina.layers.metrics import Metrics
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.testing.contracts import LayerContract


class TestBreaker(LayerContract):
    def layer(self) -> Breaker:
        return Breaker()


class TestCache(LayerContract):
    def layer(self) -> Cache:
        return Cache(30)


class TestLog(LayerContract):
    def layer(self) -> Log:
        return Log()


class TestMetrics(LayerContract):
    def layer(self) -> Metrics:
        return Metrics()


class TestRetry(LayerContract):
    def layer(self) -> Retry:
        return Retry()


class TestTimeout(LayerContract):
    def layer(self) -> Timeout:
        return Timeout(5)
