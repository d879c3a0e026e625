"""What a plan warns of: orders and options that work, though seldom as meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.plan import Warned
from lamina.rules.places import enclosing, number, numbers, of_slot, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.layer import Layer
    from lamina.plan import PlannedOperation

_STEEPEST: Final = 1000  # 2.0**1000 is finite


def warn(
    layers: Sequence[Layer], allow: Mapping[str, str], operations: Sequence[PlannedOperation]
) -> tuple[Warned, ...]:
    """Return what to think about in a stack that is legal; *allow* names what was."""
    found: list[Warned] = []
    if "W01" not in allow and (told := _no_deadline(layers, operations)) is not None:
        found.append(Warned("W01", *told))
    for code, find in _FINDS.items():
        if code not in allow and (told := find(layers)) is not None:
            found.append(Warned(code, *told))
    return tuple(found)


def _no_deadline(
    layers: Sequence[Layer], operations: Sequence[PlannedOperation]
) -> tuple[str, str] | None:
    unbound = [op.operation for op in operations if op.worst.seconds is None]
    if not unbound or of_slot(layers, "deadline"):
        return None
    return (
        f"nothing bounds the time of {unbound[0]}" + (" and others" if unbound[1:] else ""),
        "add Deadline, or send calls inside lamina.call(deadline=...)",
    )


def _uncounted_attempts(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for slot, repeats in (("throttle", "retry"), ("throttle", "hedge"), ("limit", "hedge")):
        for outer, inner in enclosing(layers, {slot}, repeats):
            return (
                f"{outer!r} stands outside {inner!r} and does not count the attempts it adds",
                f"put {type(outer).__name__} inside {type(inner).__name__}"
                + (", or use Quota" if slot == "throttle" else ""),
            )
    return None


def _waits_past_deadline(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for retry, base in numbers(layers, "retry", "base"):
        retries, cap = int(number(retry, "attempts") or 1) - 1, number(retry, "cap") or 0.0
        waits = [min(base * 2.0**n, cap) for n in range(min(retries, _STEEPEST))]
        longest = sum(waits) + sum(waits[-1:]) * (retries - len(waits))
        for deadline, budget in numbers(layers, "deadline", "seconds"):
            if longest > budget:
                text = (
                    f"{retry!r} may wait {longest:g} s between its attempts, more than "
                    f"{deadline!r} gives, so that the last ones may never be made"
                )
                return text, "make attempts, base or cap smaller"
    return None


def _unpaid_retries(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for retry in of_slot(layers, "retry"):
        if retry.options().get("budget", 0) is None:
            text = (
                f"{retry!r} has no budget, so that an outage is answered with "
                f"{number(retry, 'attempts') or 1:g} times the load"
            )
            return text, "leave budget at its default"
    return None


def _even_expiry(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for cache, jitter in numbers(layers, "cache", "jitter"):
        if jitter == 0:
            return (
                f"{cache!r} lets answers of one moment expire in one moment",
                "leave jitter above 0",
            )
    return None


def _repeated_coding(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for slot in ("seal", "squeeze"):
        for outer, codec in enclosing(layers, {"retry", "hedge"}, slot):
            return (
                f"{codec!r} stands inside {outer!r} and does its work again for each attempt",
                f"put {type(codec).__name__} outside {type(outer).__name__}",
            )
    return None


def _squeezed_once_sealed(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for seal, squeeze in enclosing(layers, {"seal"}, "squeeze"):
        return (
            f"{squeeze!r} stands inside {seal!r} and finds nothing that it could compress",
            f"put {type(squeeze).__name__} outside {type(seal).__name__}",
        )
    return None


def _batched_inside(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for outer, batch in enclosing(
        layers, {"retry", "hedge", "throttle", "breaker", "limit"}, "batch"
    ):
        return (
            f"{batch!r} stands inside {outer!r}, which governs each caller instead of what is sent",
            f"put {type(batch).__name__} outside {type(outer).__name__}",
        )
    return None


def _too_few_to_judge(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for breaker, window in windows(layers):
        least = number(breaker, "min_calls") or 1
        if getattr(breaker, "shared", None) is not None:
            continue  # calls of other stacks may count too
        for throttle, rate in numbers(layers, "throttle", "rate"):
            burst = number(throttle, "burst") or max(rate, 1.0)
            if rate / (number(throttle, "per") or 1.0) * window + burst < least:
                text = (
                    f"{throttle!r} lets fewer than min_calls={least:g} calls through in the "
                    f"window of {breaker!r}, which can never open"
                )
                return text, "make min_calls smaller, or window longer"
    return None


def _break_too_short(layers: Sequence[Layer]) -> tuple[str, str] | None:
    for breaker, pause in numbers(layers, "breaker", "break_for"):
        for timeout, seconds in numbers(layers, "timeout", "seconds"):
            if pause < seconds:
                text = (
                    f"{breaker!r} breaks for less than the {seconds:g} s of {timeout!r}, so "
                    "that hanging attempts of before are still there when it probes"
                )
                return text, f"make break_for at least {seconds:g}"
    return None


def _hangs_unseen(layers: Sequence[Layer]) -> tuple[str, str] | None:
    breakers = of_slot(layers, "breaker")
    if not breakers or of_slot(layers, "timeout"):
        return None
    return (
        f"{breakers[0]!r} has no Timeout inside: to it a hang is a cancelled call, if it ever ends",
        "add Timeout",
    )


_FINDS: Final[dict[str, Callable[[Sequence[Layer]], tuple[str, str] | None]]] = {
    "W02": _uncounted_attempts,
    "W03": _waits_past_deadline,
    "W05": _unpaid_retries,
    "W06": _even_expiry,
    "W07": _repeated_coding,
    "W10": _too_few_to_judge,
    "W13": _break_too_short,
    "W14": _hangs_unseen,
    "W15": _squeezed_once_sealed,
    "W16": _batched_inside,
}

WARNINGS: Final = ("W01", *_FINDS)
"""The codes of what a plan may warn of."""
