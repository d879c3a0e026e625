"""Repeat what failed for a passing reason."""

from lamina.layers.retry.core import RetryStatus
from lamina.layers.retry.layer import Retry

__all__ = ["Retry", "RetryStatus"]
