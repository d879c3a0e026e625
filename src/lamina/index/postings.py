"""Answer filters from lists kept per metadata field, exactly as `Filter.matches` would."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np

from lamina.errors import Invalid, Unsupported
from lamina.filters import Compare, Contains, Every, Exists, Not, OneOf, Some, kind
from lamina.index.columns import Numbers, Texts, positions, slots_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.filters import Comparison, Filter, Scalar
    from lamina.index.ranking import Mask, Slots

    Value: TypeAlias = "str | float | Mapping[str, Value] | list[Value] | tuple[Value, ...] | None"

_NOWHERE: Final[Slots] = np.empty(0, dtype=np.intp)


@final
class Postings:
    """For each field, the slots that have it and what they hold there.

    Memory follows what the metadata holds, not fields times slots. Slots only grow, so every list
    is sorted; a dead slot stays until `renumber`, and callers mask it. No metadata is taken as
    empty metadata.
    """

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}

    def append(self, slot: int, metadata: Mapping[str, Any] | None) -> None:
        """Add the metadata of a new *slot*."""
        if not metadata:
            return
        for name, value in _walk(metadata, ""):
            field = self._fields.get(name)
            if field is None:
                field = self._fields[name] = _Field()
            field.append(slot, value)

    def mask(self, condition: Filter, size: int) -> Mask:
        """Tell for each of the first *size* slots whether *condition* holds.

        Raises:
            Unsupported: The filter is of a kind unknown here.
            Invalid: It compares with something that is no string, number or bool.
        """
        match condition:
            case Every(parts):
                found = np.ones(size, dtype=np.bool_)
                for part in parts:
                    found &= self.mask(part, size)
            case Some(parts):
                found = np.zeros(size, dtype=np.bool_)
                for part in parts:
                    found |= self.mask(part, size)
            case Not(part):
                found = ~self.mask(part, size)
            case _:
                found = np.zeros(size, dtype=np.bool_)
                found[self._leaf(condition)] = True
        return found

    def renumber(self, new: Slots) -> None:
        """Move every slot to ``new[slot]``; -1 drops it."""
        for name in list(self._fields):
            if not self._fields[name].renumber(new):
                del self._fields[name]

    def _leaf(self, condition: Filter) -> Slots:
        match condition:
            case Compare(name, op, value):
                _check(value)
                field = self._fields.get(name)
                return _NOWHERE if field is None else field.compare(op, value)
            case OneOf(name, values):
                _check(*values)
                field = self._fields.get(name)
                return _NOWHERE if field is None else field.one_of(values)
            case Contains(name, value):
                _check(value)
                field = self._fields.get(name)
                return _NOWHERE if field is None else field.contains(value)
            case Exists(name):
                field = self._fields.get(name)
                return _NOWHERE if field is None else slots_of(field.present)
            case _:
                msg = f"the index knows no filter {type(condition).__name__}"
                raise Unsupported(msg)


@final
class _Field:
    """What the slots hold at one path: scalars by kind, and the scalars inside lists by kind."""

    def __init__(self) -> None:
        self.present = array("i")
        self._single: dict[str, Numbers | Texts] = {}
        self._listed: dict[str, Numbers | Texts] = {}

    def append(self, slot: int, value: Value) -> None:
        self.present.append(slot)
        if isinstance(value, list | tuple):
            for item in value:
                _keep(self._listed, slot, item)
        else:
            _keep(self._single, slot, value)

    def compare(self, op: Comparison, value: Scalar) -> Slots:
        column = self._single.get(kind(value))
        return _NOWHERE if column is None else column.compare(op, value)

    def one_of(self, values: tuple[Scalar, ...]) -> Slots:
        found = [_NOWHERE]
        for name, column in self._single.items():
            found.append(column.one_of([value for value in values if kind(value) == name]))
        return np.concatenate(found)

    def contains(self, value: Scalar) -> Slots:
        column = self._listed.get(kind(value))
        return _NOWHERE if column is None else column.compare("==", value)

    def renumber(self, new: Slots) -> bool:
        """Move the slots, and tell whether any is left."""
        moved = new[slots_of(self.present)]
        self.present = positions(moved[moved >= 0])
        for columns in (self._single, self._listed):
            for name in list(columns):
                if not columns[name].renumber(new):
                    del columns[name]
        return bool(self.present)


def _keep(columns: dict[str, Numbers | Texts], slot: int, value: Value) -> None:
    if not isinstance(value, str | float | int):
        return
    name = kind(value)
    column = columns.get(name)
    if column is None:
        column = columns[name] = Texts() if name == "string" else Numbers()
    column.append(slot, value)


def _walk(metadata: Mapping[str, Value], above: str) -> Iterator[tuple[str, Value]]:
    """Yield each path that a filter can name, as `lamina.filters.lookup` finds it."""
    for step, value in metadata.items():
        if "." in step:  # a filter's dot steps into an object, so none names this
            continue
        yield above + step, value
        if isinstance(value, Mapping):
            yield from _walk(value, f"{above}{step}.")


def _check(*values: object) -> None:
    for value in values:
        if kind(value) == "other":
            msg = f"a filter compares with a string, a number or a bool, got {type(value).__name__}"
            raise Invalid(msg)
