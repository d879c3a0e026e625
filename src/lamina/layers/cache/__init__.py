"""Answers kept in this process, and never one that a finished write has made wrong."""

from lamina.layers.cache.layer import Cache
from lamina.layers.cache.stats import CacheStats, OperationStats

__all__ = ["Cache", "CacheStats", "OperationStats"]
