"""Vectors in Upstash Vector."""

from lamina.backends.upstash.vectors import UpstashVectors

__all__ = ["UpstashVectors"]
