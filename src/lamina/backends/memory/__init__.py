"""In memory: all four domains, for tests and for what may be lost when the process ends."""

from lamina.backends.memory.documents import MemoryDocuments
from lamina.backends.memory.keyvalue import MemoryKeyValue
from lamina.backends.memory.media import MemoryMedia
from lamina.backends.memory.vectors import MemoryVectors

__all__ = ["MemoryDocuments", "MemoryKeyValue", "MemoryMedia", "MemoryVectors"]
