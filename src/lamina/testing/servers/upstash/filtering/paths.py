"""Find what a filter's identifier names: ``a.b[0]``, ``a[#-1]``; by the rules of SQLite's paths."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

from lamina.testing.servers.upstash.shapes import is_list, is_object

Step: TypeAlias = str | int
"""A key, or an index; negative ones count from the back."""

MISSING: Final = object()
"""What is found where nothing is."""

_STEP: Final = re.compile(r"(?:^|\.)([^.\[]+)|\[([0-9]+)\]|\[#(-[0-9]+)?\]")


def steps(path: str) -> tuple[Step, ...] | None:
    """Return the steps of *path*, None if it is malformed."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        key, front, back = step.groups()
        if key is not None:
            found.append(key)
        elif front is not None:
            found.append(int(front))
        elif back is not None and int(back):
            found.append(int(back))
        else:
            found.append(-1 << 62)  # one past the last: nothing is there
        at = step.end()
    return tuple(found)


def found_at(metadata: dict[str, Any], path: tuple[Step, ...]) -> Any:
    """Return what lies at *path*, or `MISSING`."""
    value: Any = metadata
    for step in path:
        if isinstance(step, str):
            if not is_object(value) or step not in value:
                return MISSING
            value = value[step]
        else:
            if not is_list(value) or not -len(value) <= step < len(value):
                return MISSING
            value = value[step]
    return value
