"""Fallback: ask another stack when the first fails."""

from lamina.layers.fallback.core import FallbackStatus
from lamina.layers.fallback.layer import Fallback

__all__ = ["Fallback", "FallbackStatus"]
