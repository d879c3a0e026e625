"""Everything that a running server knows."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, final

from lamina.testing.servers.upstash.faults import Faults
from lamina.testing.servers.upstash.indexes import Indexes
from lamina.testing.servers.upstash.rates import Rates
from lamina.testing.servers.upstash.work import Work

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.options import Options


@final
class State:
    """Settings, indexes, faults to come, and counts of requests.

    *clock* gives seconds; lag and idle queries are measured by it.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = time.monotonic
        self.indexes = Indexes(options)
        self.faults = Faults()
        self.rates = Rates()
        self.counts: Counter[str] = Counter()
        self.work = Work()
