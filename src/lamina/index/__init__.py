"""Search vectors held in memory: dense, sparse or both, with exact filters on metadata.

The core is pure and synchronous: no asyncio, no IO, no clock, no thread of its own. Searches may
run in several threads at once; whoever owns an index keeps writers apart from them and from
each other.
"""

from __future__ import annotations

from lamina.index.core import VectorIndex
from lamina.index.ranking import Hit

__all__ = ["Hit", "VectorIndex"]
