"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.errors import StackError
from lamina.operation import Operation
from lamina.options import check_hook, check_number, check_whole, shown

if TYPE_CHECKING:
    from lamina.layers.hedge.layer import Hedge


def check(layer: Hedge) -> None:
    """Refuse an option of a ``Hedge`` out of range or of the wrong kind.

    Raises:
        StackError: Names the option, its range and what was given.
    """
    check_number(layer, "delay", least=0, optional=True)
    check_number(layer, "quantile", above=0, below=1, optional=True)
    check_whole(layer, "hedges", least=1, most=10)
    check_whole(layer, "min_samples", least=1, most=100_000)
    check_number(layer, "floor", least=0.0001)
    check_number(layer, "extra_load", least=0, most=1, optional=True)
    check_number(layer, "grace", least=0)
    check_hook(layer, "on_hedge")


def named(ops: Any) -> tuple[str | type[Operation[Any]], ...] | None:
    """Return *ops* as a tuple.

    Raises:
        StackError: It names no operation, or holds what is none.
    """
    if ops is None:
        return None
    given: tuple[Any, ...] = tuple(ops) if _is_many(ops) else ()
    if not given or not all(map(_is_operation, given)):
        msg = f"Hedge: ops must be operation types or their names, or None, got {shown(ops)}"
        raise StackError(msg)
    return given


def _is_many(ops: object) -> bool:
    return isinstance(ops, Iterable) and not isinstance(ops, str | bytes)


def _is_operation(one: object) -> bool:
    if isinstance(one, type):
        return issubclass(one, Operation) and one is not Operation
    return isinstance(one, str) and one.isidentifier()
