"""The orders of layers that are refused, each with its reason and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.errors import StackError
from lamina.layer import SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.layer import Layer


def check(layers: Sequence[Layer], allow: Mapping[str, str]) -> None:
    """Refuse a wrong order.

    *allow* maps the code of a rule that may be broken to the reason why.

    Raises:
        StackError: Names the rule, both layers and the fix.
    """
    for layer in layers:
        if getattr(layer, "slot", None) not in SLOTS:
            msg = f"{layer!r} has no slot of: {', '.join(SLOTS)}"
            raise StackError(msg)
    for code, reason in allow.items():
        if code not in _RULES or not reason.strip():
            known = ", ".join(_RULES)
            msg = f"allow names a rule ({known}) and gives a reason, got {code!r}: {reason!r}"
            raise StackError(msg)
    for code, rule in _RULES.items():
        if code not in allow and (found := rule(layers)) is not None:
            msg = f"{code}: {found}"
            raise StackError(msg)


def _two_in_a_slot(layers: Sequence[Layer]) -> str | None:
    seen: dict[str, Layer] = {}
    for layer in layers:
        if layer.slot in seen and layer.slot not in {"retry", "breaker"}:  # E09 and E12 say more
            return (
                f"{seen[layer.slot]!r} and {layer!r} both fill slot {layer.slot!r}; "
                "keep one, or pass allow={'E00': reason}"
            )
        seen[layer.slot] = layer
    return None


def _timeout_outside_breaker(layers: Sequence[Layer]) -> str | None:
    breaker = _first(layers, "breaker")
    timeout = _first(layers, "timeout")
    if breaker is None or timeout is None:
        return None
    last = max(place for place, layer in enumerate(layers) if layer.slot == "timeout")
    if last > breaker:
        return None
    return (
        f"{layers[timeout]!r} stands only outside {layers[breaker]!r}, which then sees a hang as "
        "a cancelled call and never opens; put Timeout inside Breaker"
    )


def _cache_inside(layers: Sequence[Layer]) -> str | None:
    cache = _first(layers, "cache")
    if cache is None:
        return None
    for place, layer in enumerate(layers[:cache]):
        if layer.slot in {"retry", "breaker"}:
            return (
                f"{layers[cache]!r} stands inside {layers[place]!r}, so that hits would be taken "
                f"for healthy calls; put Cache outside {type(layer).__name__}"
            )
    return None


def _two_retries(layers: Sequence[Layer]) -> str | None:
    found = [layer for layer in layers if layer.slot == "retry"]
    if len(found) < 2:  # a pair
        return None
    return (
        f"{found[0]!r} and {found[1]!r} multiply their attempts; keep one, "
        "or pass allow={'E09': reason}"
    )


def _same_breaker(layers: Sequence[Layer]) -> str | None:
    found = [layer for layer in layers if layer.slot in {"breaker", "limit"}]
    for place, layer in enumerate(found):
        for other in found[place + 1 :]:
            name = getattr(layer, "shared", None)
            same_state = name is not None and name == getattr(other, "shared", None)
            if other.slot == layer.slot and (other is layer or same_state):
                return (
                    f"{layer!r} and {other!r} are the same {layer.slot} twice on one path, which "
                    "would count each call twice; keep one"
                )
            if other.slot == layer.slot == "breaker":
                return f"{layer!r} and {other!r} are two breakers on one path; keep one"
    return None


def _first(layers: Sequence[Layer], slot: str) -> int | None:
    return next((place for place, layer in enumerate(layers) if layer.slot == slot), None)


_RULES: Final[dict[str, Callable[[Sequence[Layer]], str | None]]] = {
    "E00": _two_in_a_slot,
    "E01": _timeout_outside_breaker,
    "E05": _cache_inside,
    "E09": _two_retries,
    "E12": _same_breaker,
}
