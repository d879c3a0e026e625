"""Every layer that ships does what a layer must."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.media import Chunk, Info
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.chaos import Chaos
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.hedge import Hedge
from lamina.layers.limit import Limit
from lamina.layers.log import Log
from lamina.layers.metrics import Metrics
from lamina.layers.rate import Quota, Throttle
from lamina.layers.readonly import ReadOnly
from lamina.layers.retry import Retry
from lamina.layers.scope import Scope
from lamina.layers.seal import Seal
from lamina.layers.shadow import Shadow
from lamina.layers.squeeze import Squeeze
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.contracts import LayerContract
from lamina.testing.faulty import Faulty

OTHER = Stack().over(MemoryKeyValue()).bound
DOWN = Stack().over(Faulty(MemoryKeyValue(), Random(1), error_rate=1)).bound
FAR = Stack().over(MemoryKeyValue())
KEY = Seal.new_key()


class TestBatch(LayerContract):
    def layer(self) -> Batch:
        return Batch()


class TestBatchThatWaits(LayerContract):
    def layer(self) -> Batch:
        return Batch(wait=0.001, max_items=7)


class TestBreaker(LayerContract):
    def layer(self) -> Breaker:
        return Breaker()


class TestCache(LayerContract):
    def layer(self) -> Cache:
        return Cache(30)


class TestCacheOverASecondTier(LayerContract):
    def layer(self) -> Cache:
        return Cache(30, l2=FAR, l2_namespace="x")


class TestChaos(LayerContract):
    def layer(self) -> Chaos:
        return Chaos(1e-12, seed=1)


class TestDeadline(LayerContract):
    def layer(self) -> Deadline:
        return Deadline(50)


class TestFallback(LayerContract):
    def layer(self) -> Fallback:
        return Fallback(DOWN)


class TestHedge(LayerContract):
    def layer(self) -> Hedge:
        return Hedge(50)


class TestLimit(LayerContract):
    def layer(self) -> Limit:
        return Limit(100, queue=100)


class TestLog(LayerContract):
    def layer(self) -> Log:
        return Log()


class TestMetrics(LayerContract):
    def layer(self) -> Metrics:
        return Metrics()


class TestQuota(LayerContract):
    def layer(self) -> Quota:
        return Quota(1e6, queue=100)


class TestRetry(LayerContract):
    def layer(self) -> Retry:
        return Retry()


class TestScope(LayerContract):
    def layer(self) -> Scope:
        return Scope(strict=False, rate=1e6)


class TestShadow(LayerContract):
    def layer(self) -> Shadow:
        return Shadow(OTHER)


class TestThrottle(LayerContract):
    def layer(self) -> Throttle:
        return Throttle(1e6, queue=100)


class TestTimeout(LayerContract):
    def layer(self) -> Timeout:
        return Timeout(5)


class TestReadOnly(LayerContract):
    def layer(self) -> ReadOnly:
        return ReadOnly()


class TestSeal(LayerContract):
    def layer(self) -> Seal:
        return Seal(KEY, allow_plain=True)

    def same(self, answer: object, without: object) -> bool:
        """Compare all but the ETag of a file, which is that of what is sealed."""
        if isinstance(answer, Info | Chunk) and isinstance(without, Info | Chunk):
            return replace(answer, etag="") == replace(without, etag="")
        return answer == without


class TestSqueeze(LayerContract):
    def layer(self) -> Squeeze:
        return Squeeze(least=1)
