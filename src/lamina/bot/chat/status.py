"""How the storage is, as tables."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.storage import UnifiedStorage

_DOMAIN: Final = ("domain", "backend", "health", "round trip", "breaker", "cache hits")
_OPERATION: Final = ("operation", "calls", "failed", "p50", "p99")
_CACHED: Final = ("cached", "hits", "stale", "waited", "asked", "rescued")


async def status_text(storage: UnifiedStorage) -> str:
    """Return health, breakers and hit rates by domain, then caches and latencies by operation."""
    told = await storage.status()
    domains: list[tuple[str, ...]] = [_DOMAIN]
    operations: list[tuple[str, ...]] = [_OPERATION]
    cached: list[tuple[str, ...]] = [_CACHED]
    errors: list[str] = []
    for name, one in told.items():
        health = "ok" if one["healthy"] else "DOWN"
        breaker, cache = _breaker(one["breaker"]), _hits(one["cache"])
        domains.append((name, one["backend"], health, _time(one["seconds"]), breaker, cache))
        operations.extend(_latencies(name, one["metrics"] or {}))
        cached.extend(_cached(name, one["cache"] or {}))
        if one["error"]:
            errors.append(f"  {name}: {one['error']}")
    parts = [_table(domains)]
    if errors:
        parts.append("\n".join(errors))
    parts += [_table(rows) for rows in (cached, operations) if len(rows) > 1]
    return "\n\n".join(parts)


def _breaker(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    state = told.get("state", "?")
    return str(state.value if isinstance(state, Enum) else state)


def _cached(domain: str, told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what a cache has done, by operation, of those that were asked."""
    names = ("hits", "stale", "coalesced", "misses", "rescued")
    return [
        (f"{domain}.{operation}", *(f"{done[name]:,}" for name in names))
        for operation, done in told.get("operations", {}).items()
        if done["hits"] or done["misses"]
    ]


def _hits(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    hits, misses = int(told.get("hits", 0)), int(told.get("misses", 0))
    asked = hits + misses
    return f"{100 * hits / asked:.0f} % of {asked:,}" if asked else "none asked"


def _latencies(domain: str, metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for operation, told in sorted(metrics.items()):
        calls = told["calls"]
        total = calls["succeeded"] + calls["failed"]
        row = (f"{domain}.{operation}", f"{total:,}", f"{calls['failed']:,}")
        rows.append((*row, _time(calls["p50"]), _time(calls["p99"])))
    return rows


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.2f} ms"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)
