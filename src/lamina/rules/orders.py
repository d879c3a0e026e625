"""Layers in the wrong place: what is wrong about an order, or None."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

from lamina.rules.places import enclosing, of_slot, slots_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layer import Layer


def two_in_a_slot(layers: Sequence[Layer]) -> str | None:
    """E00: two layers in one slot."""
    for one, other in combinations(layers, 2):
        if one.slot != other.slot or one.slot in {"retry", "breaker"} or _same(one, other):
            continue  # E09 and E12 say more
        return (
            f"{one!r} and {other!r} both fill slot {one.slot!r}; "
            "keep one, or pass allow={'E00': reason}"
        )
    return None


def timeout_outside_breaker(layers: Sequence[Layer]) -> str | None:
    """E01: no Timeout inside the Breaker."""
    breakers, timeouts = of_slot(layers, "breaker"), of_slot(layers, "timeout")
    if not breakers or not timeouts:
        return None
    slots = [layer.slot for layer in layers]
    if "timeout" in slots[slots.index("breaker") :]:
        return None
    return (
        f"{timeouts[0]!r} stands only outside {breakers[0]!r}, which then sees a hang as "
        "a cancelled call and never opens; put Timeout inside Breaker"
    )


_ANSWERS_LIKE_HEALTH: Final = {
    "retry": "hits would be taken for healthy calls",
    "breaker": "hits would be taken for healthy calls",
    "limit": "hits would take the places of calls",
    "throttle": "hits would spend what calls may send",
    "hedge": "hits would teach it a wrong delay, and hedges would wait for the first",
}


def cache_inside(layers: Sequence[Layer]) -> str | None:
    """E05: hits that pass what counts calls."""
    for outer, cache in enclosing(layers, _ANSWERS_LIKE_HEALTH, "cache"):
        return (
            f"{cache!r} stands inside {outer!r}, so that {_ANSWERS_LIKE_HEALTH[outer.slot]}; "
            f"put Cache outside {type(outer).__name__}"
        )
    return None


def limit_outside_retry(layers: Sequence[Layer]) -> str | None:
    """E06: places held by calls that wait to repeat."""
    for limit, retry in enclosing(layers, {"limit"}, "retry"):
        return (
            f"{limit!r} stands outside {retry!r}, so that a call keeps its place while it waits "
            "to repeat; put Limit inside Retry"
        )
    return None


def fallback_inside(layers: Sequence[Layer]) -> str | None:
    """E07: failures that Retry or Breaker never see."""
    for outer, fallback in enclosing(layers, {"retry", "breaker"}, "fallback"):
        return (
            f"{fallback!r} stands inside {outer!r}, which never sees that the backend failed; "
            f"put Fallback outside {type(outer).__name__}"
        )
    return None


def retry_inside_hedge(layers: Sequence[Layer]) -> str | None:
    """E08: hedges that repeat."""
    for hedge, retry in enclosing(layers, {"hedge"}, "retry"):
        return (
            f"{retry!r} stands inside {hedge!r}, so that each hedge repeats too and attempts "
            "multiply; put Retry outside Hedge"
        )
    return None


def two_retries(layers: Sequence[Layer]) -> str | None:
    """E09: retries of retries."""
    for one, other in pairwise(of_slot(layers, "retry")):
        return (
            f"{one!r} and {other!r} multiply their attempts; keep one, "
            "or pass allow={'E09': reason}"
        )
    return None


def chaos_not_innermost(layers: Sequence[Layer]) -> str | None:
    """E11: faults that miss what they are to test."""
    for chaos, inner in pairwise(layers):
        if chaos.slot == "chaos" != inner.slot:
            return (
                f"{inner!r} stands inside {chaos!r}, and would undo or never meet its faults; "
                "put Chaos innermost"
            )
    return None


def same_twice(layers: Sequence[Layer]) -> str | None:
    """E12: calls that count twice."""
    for one, other in combinations(layers, 2):
        if _same(one, other):
            return (
                f"{one!r} and {other!r} are the same {one.slot} twice on one path, which "
                "would count each call twice; keep one"
            )
        if one.slot == other.slot == "breaker":
            return f"{one!r} and {other!r} are two breakers on one path; keep one"
    return None


def plain_second_tier(layers: Sequence[Layer]) -> str | None:
    """E14: what Seal hides, kept in plain elsewhere."""
    for cache, seal in enclosing(layers, {"cache"}, "seal"):
        second: object = getattr(cache, "l2", None)
        if second is not None and "seal" not in slots_of(second):
            return (
                f"{cache!r} keeps in plain, in {second!r}, what {seal!r} hides; put a Seal into "
                "the stack of l2, or pass allow={'E14': reason}"
            )
    return None


_COUNTS: Final = {"breaker", "limit", "throttle", "quota"}


def _same(one: Layer, other: Layer) -> bool:
    """Tell whether both count calls in one state."""
    name = getattr(one, "shared", None)
    named = name is not None and name == getattr(other, "shared", None)
    return one.slot == other.slot and one.slot in _COUNTS and (one is other or named)
