"""A second tier of the cache: answers kept in a store that several processes share."""

from lamina.layers.cache.second.second import Second
from lamina.layers.cache.second.stats import SecondStats

__all__ = ["Second", "SecondStats"]
