"""Refuse an option that cannot work, and say what two stores can do together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from lamina.capabilities import Serves
from lamina.errors import StackError
from lamina.layers.fallback.core import NEVER, is_listable
from lamina.options import check_flag, check_hook, check_number, check_sends, shown
from lamina.plan import Plan, Worst

if TYPE_CHECKING:
    from lamina.operation import Operation


_Listed: TypeAlias = tuple[object, ...]


@runtime_checkable
class _Planned(Protocol):
    def plan(self) -> Plan: ...


def check(layer: Any) -> None:
    """Refuse an option of a ``Fallback`` out of range, of the wrong kind, or against another.

    Raises:
        StackError: Names the option, its range and what was given.
    """
    check_sends(layer, "to")
    check_flag(layer, "writes")
    check_number(layer, "reserve", least=0, below=1)
    check_hook(layer, "on_fallback")
    if layer.writes and layer.on_fallback is None:
        msg = (
            "Fallback: writes needs on_fallback, which keeps a list of what is to be carried over "
            "to the first store"
        )
        raise StackError(msg)
    on: object = layer.on
    if not isinstance(on, tuple) or not on or not all(map(is_listable, cast("_Listed", on))):
        never = ", ".join(kind.__name__ for kind in NEVER)
        wanted = f"a tuple of storage errors, none of them {never}"
        msg = f"Fallback: on must be {wanted}, got {shown(layer.on)}"
        raise StackError(msg)


def both(here: Serves, there: Serves) -> Serves:
    """Return what two stores serve alike: the features of both, the narrower of their limits."""
    names = {**here.limits, **there.limits}
    limits = {
        name: min(how.limits[name] for how in (here, there) if name in how.limits) for name in names
    }
    return Serves(here.features & there.features, limits)


def worst_of(to: object, op: type[Operation[Any]], below: Worst) -> Worst:
    """Return the worst case of one call that is asked below, then of *to*."""
    operations = to.plan().operations if isinstance(to, _Planned) else ()
    theirs = next((one.worst for one in operations if one.operation == op.__name__), Worst())
    seconds = None
    if below.seconds is not None and theirs.seconds is not None:
        seconds = below.seconds + theirs.seconds
    return Worst(below.attempts + theirs.attempts, seconds)
