"""The stores in memory do what every backend must."""

from __future__ import annotations

from lamina.backends.memory import MemoryKeyValue
from lamina.testing.contracts import KeyValueContract


class TestMemoryKeyValue(KeyValueContract):
    def backend(self) -> MemoryKeyValue:
        return MemoryKeyValue()
