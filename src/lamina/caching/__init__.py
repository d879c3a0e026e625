"""A cache for what any async function answers, on the engine of the ``Cache`` layer."""

from lamina.caching.functions import CachedFunction, CallCache
from lamina.caching.local import LocalCache, cached

__all__ = ["CachedFunction", "CallCache", "LocalCache", "cached"]
