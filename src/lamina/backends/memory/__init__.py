"""In memory: all four domains, for tests and for what may be lost when the process ends."""

from lamina.backends.memory.keyvalue import MemoryKeyValue

__all__ = ["MemoryKeyValue"]
