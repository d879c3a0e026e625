"""The options of a cache that concern its second tier, checked where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import StackError
from lamina.options import check_has, check_name, check_number, shown

if TYPE_CHECKING:
    from lamina.layer import Layer

_LONGEST = 200
"""Characters of a namespace: keys have to fit every store."""


def check(layer: Layer) -> None:
    """Refuse ``l2``, ``l2_ttl``, ``l2_timeout``, ``l2_pause`` or ``l2_namespace`` of *layer*.

    Raises:
        StackError: One is of the wrong kind or out of its range.
    """
    check_has(layer, "l2", "get_many", "set_many", "compare_and_set")
    given: Any = layer
    if isinstance(given.l2, type):
        msg = f"{type(layer).__name__}: l2 must be a store of bytes, or None, got {shown(given.l2)}"
        raise StackError(msg)
    check_number(layer, "l2_ttl", above=0, optional=True)
    check_number(layer, "l2_timeout", above=0)
    check_number(layer, "l2_pause", least=0)
    check_name(layer, "l2_namespace")
    name = given.l2_namespace
    if name is None and given.l2 is not None:
        msg = (
            f"{type(layer).__name__}: l2 needs l2_namespace, a name that only caches of the same "
            "data share; with another's it would give wrong answers"
        )
        raise StackError(msg)
    plain = name is None or (len(name) <= _LONGEST and name.isprintable() and name.isascii())
    if not plain:
        msg = (
            f"{type(layer).__name__}: l2_namespace must be 1 to {_LONGEST} plain characters, "
            f"got {shown(name)}"
        )
        raise StackError(msg)
