"""Timeout: end an attempt that takes too long."""

from lamina.layers.timeout.layer import Timeout, TimeoutStatus

__all__ = ["Timeout", "TimeoutStatus"]
