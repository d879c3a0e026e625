"""Let at most so many operations run at once."""

from lamina.layers.limit.core import LimitStatus
from lamina.layers.limit.layer import Limit

__all__ = ["Limit", "LimitStatus"]
