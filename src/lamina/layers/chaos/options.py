"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import StackError
from lamina.layers.chaos.core import LONGEST, RATES
from lamina.options import check_flag, check_hook, check_number, check_whole, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.chaos.layer import Chaos


def check(layer: Chaos) -> None:
    """Refuse what a ``Chaos`` cannot work with.

    Raises:
        StackError: An option is out of range, of the wrong kind, or contradicts another.
    """
    for name in RATES.values():
        _check(layer, name, most=1)
    _check(layer, "latency", most=LONGEST)
    if callable(layer.enabled):
        check_hook(layer, "enabled")
    else:
        check_flag(layer, "enabled")
    for name in ("answer", "action", "fault", "on_injected"):
        check_hook(layer, name)
    check_whole(layer, "seed", least=0, optional=True)
    for rate, function in (("outcome", "answer"), ("behaviour", "action")):
        if getattr(layer, rate) != 0 and getattr(layer, function) is None:
            msg = f"Chaos: {rate} needs {function}, a function that is given the operation"
            raise StackError(msg)


def names_of(ops: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names of operations as a tuple, None for all.

    Raises:
        StackError: They are no names, or none.
    """
    if ops is None:
        return None
    names: tuple[Any, ...] = () if isinstance(ops, str) else _listed(ops)
    if not names or not all(isinstance(name, str) and name for name in names):
        msg = f"Chaos: ops must be names of operations, at least one, or None, got {shown(ops)}"
        raise StackError(msg)
    return names


def _check(layer: object, name: str, *, most: float) -> None:
    if callable(getattr(layer, name)):
        check_hook(layer, name)
    else:
        check_number(layer, name, least=0, most=most)


def _listed(ops: Any) -> tuple[Any, ...]:
    try:
        return tuple(ops)
    except Exception:  # whatever is no collection
        return ()
