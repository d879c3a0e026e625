"""Answers kept in this process, and never one that a finished write has made wrong."""

from lamina.layers.cache.core import CacheStats
from lamina.layers.cache.layer import Cache

__all__ = ["Cache", "CacheStats"]
