"""The orders of layers that are refused, each with its reason and its fix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Final, final

from lamina.errors import StackError
from lamina.layer import SLOTS
from lamina.rules.places import enclosing, number, numbers, of_slot, written
from lamina.rules.warned import WARNINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lamina.layer import Layer
    from lamina.operation import Operation


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """One order that is wrong: what is *refused*, *because* of what; ``find`` tells where."""

    refused: str
    because: str
    find: Callable[[Sequence[Layer]], str | None]


def check(layers: Sequence[Layer], allow: Mapping[str, str], *, production: bool = False) -> None:
    """Refuse a wrong order.

    *allow* maps the code of a rule that may be broken, or of a warning that need not be told, to
    the reason why. In *production* no ``Chaos`` may stand anywhere, whatever is allowed.

    Raises:
        StackError: Names the rule, both layers and the fix.
    """
    for layer in layers:
        if getattr(layer, "slot", None) not in SLOTS:
            msg = f"{layer!r} has no slot of: {', '.join(SLOTS)}"
            raise StackError(msg)
    for code, reason in allow.items():
        if code not in {*RULES, *WARNINGS} or not reason.strip():
            known = ", ".join([*RULES, *WARNINGS])
            msg = f"allow names a rule ({known}) and gives a reason, got {code!r}: {reason!r}"
            raise StackError(msg)
    for code, rule in RULES.items():
        if code not in allow and (found := rule.find(layers)) is not None:
            msg = f"{code}: {found}"
            raise StackError(msg)
    if production and (chaos := of_slot(layers, "chaos")):
        msg = f"E11: {chaos[0]!r} has no place in production; take it out, or use another preset"
        raise StackError(msg)


def check_served(
    layers: Sequence[Layer], allow: Mapping[str, str], served: Iterable[type[Operation[Any]]]
) -> None:
    """Refuse what only the operations that the backend serves can show: names that write.

    Raises:
        StackError: Names the rule, the layer and the fix.
    """
    if "E10" in allow:
        return
    types = {op.__name__: op for op in served}
    for hedge in of_slot(layers, "hedge"):
        named = [types[op] for op in _ops(hedge) if isinstance(op, str) and op in types]
        if (found := _writing(hedge, named)) is not None:
            msg = f"E10: {found}"
            raise StackError(msg)


def _two_in_a_slot(layers: Sequence[Layer]) -> str | None:
    for one, other in combinations(layers, 2):
        if one.slot != other.slot or one.slot in {"retry", "breaker"} or _same(one, other):
            continue  # E09 and E12 say more
        return (
            f"{one!r} and {other!r} both fill slot {one.slot!r}; "
            "keep one, or pass allow={'E00': reason}"
        )
    return None


def _timeout_outside_breaker(layers: Sequence[Layer]) -> str | None:
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


def _timeout_past_deadline(layers: Sequence[Layer]) -> str | None:
    for timeout, seconds in numbers(layers, "timeout", "seconds"):
        for deadline, budget in numbers(layers, "deadline", "seconds"):
            if seconds >= budget:
                return (
                    f"{timeout!r} ends no attempt before {deadline!r} ends the call, so that "
                    "nothing is repeated and a hang is never counted; make Timeout shorter"
                )
    return None


def _window_too_short(layers: Sequence[Layer]) -> str | None:
    for breaker, window in numbers(layers, "breaker", "window"):
        for timeout, seconds in numbers(layers, "timeout", "seconds"):
            if window < 2 * seconds:
                return (
                    f"{breaker!r} forgets within window={window:g} s what {timeout!r} takes up "
                    f"to {seconds:g} s to tell; make window at least {2 * seconds:g}, or Timeout "
                    "shorter"
                )
    return None


def _hedges_past_deadline(layers: Sequence[Layer]) -> str | None:
    for hedge, delay in numbers(layers, "hedge", "delay"):
        last = delay * (number(hedge, "hedges") or 1)
        for deadline, budget in numbers(layers, "deadline", "seconds"):
            if last > budget:
                return (
                    f"{hedge!r} would send its last hedge after {last:g} s, when {deadline!r} has "
                    "ended the call; make delay or hedges smaller"
                )
    return None


_ANSWERS_LIKE_HEALTH: Final = {
    "retry": "hits would be taken for healthy calls",
    "breaker": "hits would be taken for healthy calls",
    "limit": "hits would take the places of calls",
    "throttle": "hits would spend what calls may send",
    "hedge": "hits would teach it a wrong delay, and hedges would wait for the first",
}


def _cache_inside(layers: Sequence[Layer]) -> str | None:
    for outer, cache in enclosing(layers, _ANSWERS_LIKE_HEALTH, "cache"):
        return (
            f"{cache!r} stands inside {outer!r}, so that {_ANSWERS_LIKE_HEALTH[outer.slot]}; "
            f"put Cache outside {type(outer).__name__}"
        )
    return None


def _limit_outside_retry(layers: Sequence[Layer]) -> str | None:
    for limit, retry in enclosing(layers, {"limit"}, "retry"):
        return (
            f"{limit!r} stands outside {retry!r}, so that a call keeps its place while it waits "
            "to repeat; put Limit inside Retry"
        )
    return None


def _fallback_inside(layers: Sequence[Layer]) -> str | None:
    for outer, fallback in enclosing(layers, {"retry", "breaker"}, "fallback"):
        return (
            f"{fallback!r} stands inside {outer!r}, which never sees that the backend failed; "
            f"put Fallback outside {type(outer).__name__}"
        )
    return None


def _retry_inside_hedge(layers: Sequence[Layer]) -> str | None:
    for hedge, retry in enclosing(layers, {"hedge"}, "retry"):
        return (
            f"{retry!r} stands inside {hedge!r}, so that each hedge repeats too and attempts "
            "multiply; put Retry outside Hedge"
        )
    return None


def _two_retries(layers: Sequence[Layer]) -> str | None:
    for one, other in pairwise(of_slot(layers, "retry")):
        return (
            f"{one!r} and {other!r} multiply their attempts; keep one, "
            "or pass allow={'E09': reason}"
        )
    return None


def _hedged_writes(layers: Sequence[Layer]) -> str | None:
    found = (
        _writing(hedge, [op for op in _ops(hedge) if isinstance(op, type)])
        for hedge in of_slot(layers, "hedge")
    )
    return next((one for one in found if one is not None), None)


def _chaos_not_innermost(layers: Sequence[Layer]) -> str | None:
    for chaos, inner in pairwise(layers):
        if chaos.slot == "chaos" != inner.slot:
            return (
                f"{inner!r} stands inside {chaos!r}, and would undo or never meet its faults; "
                "put Chaos innermost"
            )
    return None


def _same_twice(layers: Sequence[Layer]) -> str | None:
    for one, other in combinations(layers, 2):
        if _same(one, other):
            return (
                f"{one!r} and {other!r} are the same {one.slot} twice on one path, which "
                "would count each call twice; keep one"
            )
        if one.slot == other.slot == "breaker":
            return f"{one!r} and {other!r} are two breakers on one path; keep one"
    return None


_COUNTS: Final = {"breaker", "limit", "throttle", "quota"}


def _same(one: Layer, other: Layer) -> bool:
    """Tell whether both count calls in one state."""
    name = getattr(one, "shared", None)
    named = name is not None and name == getattr(other, "shared", None)
    return one.slot == other.slot and one.slot in _COUNTS and (one is other or named)


def _ops(hedge: Layer) -> tuple[object, ...]:
    named: object = getattr(hedge, "ops", None)
    return written(named)


def _writing(hedge: Layer, ops: Iterable[Any]) -> str | None:
    for op in ops:
        if getattr(op, "writes", False):
            return (
                f"{hedge!r} would send {op.__name__} twice, and what the slower one writes may "
                "come last; hedge reads only, or pass allow={'E10': reason}"
            )
    return None


RULES: Final[dict[str, Rule]] = {
    "E00": Rule("two layers in one slot", "one of them is an accident", _two_in_a_slot),
    "E01": Rule(
        "`Timeout` only outside `Breaker`",
        "the breaker would see a hang as a cancelled call, and never open",
        _timeout_outside_breaker,
    ),
    "E02": Rule(
        "`Timeout` of at least the `Deadline`",
        "nothing is repeated, and a hang is never counted",
        _timeout_past_deadline,
    ),
    "E03": Rule(
        "`window` of `Breaker` under twice the `Timeout`",
        "it forgets calls before their hangs are told",
        _window_too_short,
    ),
    "E04": Rule(
        "`delay` times `hedges` past the `Deadline`",
        "the last hedge is never sent",
        _hedges_past_deadline,
    ),
    "E05": Rule(
        "`Cache` inside `Retry`, `Hedge`, `Throttle`, `Breaker` or `Limit`",
        "hits would be taken for healthy calls, and spend what calls need",
        _cache_inside,
    ),
    "E06": Rule(
        "`Limit` outside `Retry`",
        "a call would keep its place while it waits to repeat",
        _limit_outside_retry,
    ),
    "E07": Rule(
        "`Fallback` inside `Retry` or `Breaker`",
        "the failures of the backend would be hidden from them",
        _fallback_inside,
    ),
    "E08": Rule("`Retry` inside `Hedge`", "attempts multiply", _retry_inside_hedge),
    "E09": Rule("two `Retry`", "attempts multiply", _two_retries),
    "E10": Rule(
        "`Hedge` for an operation that writes",
        "what the slower one writes may come last",
        _hedged_writes,
    ),
    "E11": Rule(
        "`Chaos` not innermost, or in the preset `production`",
        "layers inside would undo its faults",
        _chaos_not_innermost,
    ),
    "E12": Rule(
        "two `Breaker`, or one shared `Limit`, `Throttle` or `Quota` twice",
        "each call would count twice",
        _same_twice,
    ),
}
"""By code, in the order in which they are checked."""
