"""The orders of layers that are refused, each with its reason and its fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from lamina.errors import StackError
from lamina.layer import SLOTS
from lamina.rules import options, orders
from lamina.rules.places import of_slot
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
    if "E10" not in allow and (found := options.hedged_writes(layers, served)) is not None:
        msg = f"E10: {found}"
        raise StackError(msg)


RULES: Final[dict[str, Rule]] = {
    "E00": Rule("two layers in one slot", "one of them is an accident", orders.two_in_a_slot),
    "E01": Rule(
        "`Timeout` only outside `Breaker`",
        "the breaker would see a hang as a cancelled call, and never open",
        orders.timeout_outside_breaker,
    ),
    "E02": Rule(
        "`Timeout` of at least the `Deadline`",
        "nothing is repeated, and a hang is never counted",
        options.timeout_past_deadline,
    ),
    "E03": Rule(
        "`window` of `Breaker` under twice the `Timeout`",
        "it forgets calls before their hangs are told",
        options.window_too_short,
    ),
    "E04": Rule(
        "`delay` times `hedges` past the `Deadline`",
        "the last hedge is never sent",
        options.hedges_past_deadline,
    ),
    "E05": Rule(
        "`Cache` inside `Retry`, `Hedge`, `Throttle`, `Breaker` or `Limit`",
        "hits would be taken for healthy calls, and spend what calls need",
        orders.cache_inside,
    ),
    "E06": Rule(
        "`Limit` outside `Retry`",
        "a call would keep its place while it waits to repeat",
        orders.limit_outside_retry,
    ),
    "E07": Rule(
        "`Fallback` inside `Retry` or `Breaker`",
        "the failures of the backend would be hidden from them",
        orders.fallback_inside,
    ),
    "E08": Rule("`Retry` inside `Hedge`", "attempts multiply", orders.retry_inside_hedge),
    "E09": Rule("two `Retry`", "attempts multiply", orders.two_retries),
    "E10": Rule(
        "`Hedge` for an operation that writes",
        "what the slower one writes may come last",
        options.hedged_writes,
    ),
    "E11": Rule(
        "`Chaos` not innermost, or in the preset `production`",
        "layers inside would undo its faults",
        orders.chaos_not_innermost,
    ),
    "E12": Rule(
        "two `Breaker`, or one shared `Limit`, `Throttle` or `Quota` twice",
        "each call would count twice",
        orders.same_twice,
    ),
    "E14": Rule(
        "`l2` of a `Cache` outside `Seal`, whose own stack has no `Seal`",
        "it would keep in plain what is sealed",
        orders.plain_second_tier,
    ),
}
"""By code, in the order in which they are checked."""
