"""The service's metadata filters: a grammar of their own, unlike `lamina.filters`."""

from __future__ import annotations

from lamina.testing.servers.upstash.filtering.grammar import condition
from lamina.testing.servers.upstash.filtering.meaning import Condition

__all__ = ["Condition", "condition"]
