"""Refuse an option of a layer that cannot work, by its name, its range and what was given."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NoReturn, TypeGuard

from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN: Final = 80  # characters of what was given


def check_number(
    layer: object,
    name: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float = math.inf,
    below: float = math.inf,
    optional: bool = False,
) -> None:
    """Refuse the option *name* unless it is a finite number in its range, or *optional* and None.

    Raises:
        StackError: It is not.
    """
    value = getattr(layer, name)
    if (optional and value is None) or (
        _is_finite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and value <= most
        and value < below
    ):
        return
    limits = _range(least, above, most, below, optional=optional)
    _refuse(layer, name, "a finite number" + limits)


def check_whole(
    layer: object,
    name: str,
    *,
    least: int,
    most: float = math.inf,
    optional: bool = False,
) -> None:
    """Refuse the option *name* unless it is a whole number in its range, or *optional* and None.

    Raises:
        StackError: It is not.
    """
    value = getattr(layer, name)
    if (optional and value is None) or (_is_finite(value, whole=True) and least <= value <= most):
        return
    _refuse(layer, name, "a whole number" + _range(least, None, most, math.inf, optional=optional))


def check_order(layer: object, small: str, large: str) -> None:
    """Refuse the option *small* if it is larger than the option *large*; None is in no order.

    Raises:
        StackError: It is.
    """
    low, high = getattr(layer, small), getattr(layer, large)
    if low is not None and high is not None and low > high:
        msg = (
            f"{type(layer).__name__}: {small} must be at most {large}, "
            f"got {shown(low)} and {shown(high)}"
        )
        raise StackError(msg)


def check_flag(layer: object, *names: str) -> None:
    """Refuse each option that is neither True nor False.

    Raises:
        StackError: One is not.
    """
    for name in names:
        if not isinstance(getattr(layer, name), bool):
            _refuse(layer, name, "True or False")


def check_name(layer: object, name: str) -> None:
    """Refuse the option *name* unless it is None or a text that is not empty.

    Raises:
        StackError: It is something else.
    """
    value = getattr(layer, name)
    if value is not None and not (isinstance(value, str) and value):
        _refuse(layer, name, "a name or None")


def check_choice(layer: object, name: str, choices: Iterable[object]) -> None:
    """Refuse the option *name* unless it is one of *choices*.

    Raises:
        StackError: It is not.
    """
    value, known = getattr(layer, name), list(choices)
    if not any(type(value) is type(choice) and value == choice for choice in known):
        _refuse(layer, name, f"one of {', '.join(map(repr, known))}")


def check_hook(layer: object, name: str) -> None:
    """Refuse the option *name* unless it is None or a function that is called, not awaited.

    Raises:
        StackError: It is something else.
    """
    value = getattr(layer, name)
    if value is None:
        return
    waits = any(map(inspect.iscoroutinefunction, (value, getattr(value, "__call__", None))))  # noqa: B004  # of an object
    if not callable(value) or waits:
        _refuse(layer, name, "a function that is not async, or None")


def check_sends(layer: object, name: str) -> None:
    """Refuse the option *name* unless it is another stack, such as ``store.bound``.

    Raises:
        StackError: It is something else.
    """
    value = getattr(layer, name)
    if isinstance(value, type) or not (
        callable(getattr(value, "send", None))
        and isinstance(getattr(value, "backend", None), str)
        and isinstance(getattr(value, "capabilities", None), Mapping)
    ):
        _refuse(layer, name, "another stack: the bound of a store")


def check_has(layer: object, name: str, *methods: str) -> None:
    """Refuse the option *name* unless it is None or has these methods.

    Raises:
        StackError: One is missing.
    """
    value = getattr(layer, name)
    if value is not None and not all(callable(getattr(value, method, None)) for method in methods):
        _refuse(layer, name, f"something with {' and '.join(methods)}, or None")


def check_served(layer: object, name: str, served: Iterable[type]) -> None:
    """Refuse an operation's name in the option *name* that stands for none of those *served*.

    A layer checks it in ``setup``: it would silently do nothing for a name that was misspelt.

    Raises:
        StackError: There is one.
    """
    known = sorted(op.__name__ for op in served)
    for one in getattr(layer, name) or ():
        if isinstance(one, str) and one not in known:
            msg = f"{type(layer).__name__}: {name} must be of {', '.join(known)}, got {shown(one)}"
            raise StackError(msg)


def _is_finite(value: object, *, whole: bool = False) -> TypeGuard[float]:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _range(
    least: float | None, above: float | None, most: float, below: float, *, optional: bool
) -> str:
    low = "" if least is None else f" from {least:g}"
    low = low if above is None else f" above {above:g}"
    high = "" if math.isinf(most) else f" to {most:g}"
    high = high if math.isinf(below) else f" to less than {below:g}"
    return low + high + (", or None" if optional else "")


def _refuse(layer: object, name: str, wanted: str) -> NoReturn:
    given = shown(getattr(layer, name))
    msg = f"{type(layer).__name__}: {name} must be {wanted}, got {given}"
    raise StackError(msg)


def shown(value: object) -> str:
    """Return *value* as a message shows it: short, whatever it is."""
    try:
        told = repr(value)
    except Exception:  # an enormous number has none, another's may fail
        return f"a {type(value).__name__}"
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}..."
