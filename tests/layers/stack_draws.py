"""Stacks drawn by a seed: some of the layers that ship, with legal options, in any order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.layer import SLOTS, Layer
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layer import Sends

KEY: Final = Seal.new_key()
MEMORY: Final[dict[str, Callable[[], Any]]] = {
    "keyvalue": MemoryKeyValue,
    "documents": MemoryDocuments,
    "vectors": MemoryVectors,
    "media": MemoryMedia,
}


class Draw:
    """Draws layers for stacks over backends of one *domain*."""

    def __init__(self, rng: random.Random, domain: str = "keyvalue") -> None:
        self.rng = rng
        self.domain = domain

    def layers(self) -> list[Layer]:
        """Return one to eight layers, mostly in any order, at times two of one kind."""
        names = self.rng.sample(MAKERS, self.rng.randint(1, 8))
        if self.rng.random() < 0.05:
            names.append(self.rng.choice(names))
        made = [getattr(self, name)() for name in names]
        if self.rng.random() < 0.6:  # or next to no large stack would be legal
            made.sort(key=lambda layer: SLOTS.index(layer.slot))
            if self.rng.random() < 0.5:
                self._swap(made)
        return made

    def _swap(self, made: list[Layer]) -> None:
        one, other = (self.rng.randrange(len(made)) for _ in range(2))
        made[one], made[other] = made[other], made[one]

    def other(self) -> Sends:
        """Return another stack over a store of its own."""
        sends: Sends = Stack().over(MEMORY[self.domain]()).bound
        return sends

    def metrics(self) -> Layer:
        return Metrics()

    def log(self) -> Layer:
        return Log(slow=self.rng.choice([0.01, 1.0]))

    def deadline(self) -> Layer:
        return Deadline(self.rng.choice([0.3, 2.0, 10.0]))

    def cache(self) -> Layer:
        return Cache(self.rng.choice([0.1, 30.0]), doubt=self.rng.choice([0.0, 5.0]))

    def batch(self) -> Layer:
        return Batch(wait=self.rng.choice([0.0, 0.02]), max_items=self.rng.choice([2, 500]))

    def retry(self) -> Layer:
        return Retry(
            self.rng.randint(1, 5),
            base=self.rng.choice([0.0, 0.05]),
            cap=self.rng.choice([0.1, 20.0]),
            throttled_base=0.1,
            budget=self.rng.choice([14, 500, None]),
            patient=self.rng.random() < 0.2,
        )

    def breaker(self) -> Layer:
        return Breaker(
            min_calls=self.rng.randint(1, 5),
            slow=self.rng.choice([None, 0.1]),
            probes=2,
            break_for=self.rng.choice([0.05, 1.0]),
        )

    def hedge(self) -> Layer:
        return Hedge(
            self.rng.choice([0.02, 0.1, None]),
            hedges=self.rng.randint(1, 2),
            min_samples=self.rng.choice([1, 10]),
            extra_load=self.rng.choice([0.0, 0.5, None]),
        )

    def throttle(self) -> Layer:
        return Throttle(1000, queue=self.rng.choice([0, 5]), wait=self.rng.choice([None, 0.1]))

    def quota(self) -> Layer:
        return Quota(1000, queue=self.rng.choice([0, 5]), wait=self.rng.choice([None, 0.1]))

    def scope(self) -> Layer:
        return Scope(strict=False, rate=self.rng.choice([None, 100.0]))

    def limit(self) -> Layer:
        return Limit(
            self.rng.randint(1, 3),
            queue=self.rng.choice([0, 2, 100]),
            wait=self.rng.choice([None, 0.1]),
        )

    def timeout(self) -> Layer:
        return Timeout(self.rng.choice([0.1, 0.3, 2.0, 15.0]))

    def fallback(self) -> Layer:
        return Fallback(self.other(), reserve=self.rng.choice([0.1, 0.5]))

    def readonly(self) -> Layer:
        return ReadOnly()

    def shadow(self) -> Layer:
        return Shadow(self.other(), rate=self.rng.choice([0.0, 0.5, 1.0]), within=0.5)

    def seal(self) -> Layer:
        return Seal([KEY])

    def squeeze(self) -> Layer:
        return Squeeze(least=self.rng.choice([1, 1024]))

    def chaos(self) -> Layer:
        return Chaos(0.2, enabled=False, seed=self.rng.getrandbits(32))


MAKERS: Final = (
    *("metrics", "log", "deadline", "fallback", "shadow", "readonly", "cache", "squeeze", "seal"),
    *("quota", "scope", "batch", "throttle", "retry", "hedge", "breaker", "limit"),
    *("timeout", "chaos"),
)
