"""A local Upstash Vector: all five kinds of index over the wire protocol of the service."""

from __future__ import annotations

from lamina.testing.servers.upstash.serve import main

__all__ = ["main"]
