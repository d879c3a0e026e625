"""UNIX glob patterns as SQLite has them: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^abc]``."""

from __future__ import annotations

import re
from typing import Final

_NEVER: Final = re.compile(r"(?!)")


def compiled(pattern: str) -> re.Pattern[str]:
    """Return what matches whole strings, in time linear in stars."""
    parts: list[str] = [""]  # between the stars
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*":
            parts.append("")
        elif letter == "?":
            parts[-1] += "."
        elif letter == "[":
            end = pattern.find("]", at + (2 if pattern[at : at + 1] == "^" else 1))
            if end < 0:
                return _NEVER  # an open bracket matches nothing
            parts[-1] += _set(pattern[at:end])
            at = end + 1
        else:
            parts[-1] += re.escape(letter)
    first, *middle, last = parts if len(parts) > 1 else (*parts, "")
    if len(parts) == 1:
        return re.compile(first + r"\Z", re.DOTALL)
    atoms = "".join(f"(?>.*?{part})" for part in middle)  # the leftmost place is good enough
    return re.compile(f"{first}{atoms}.*{last}\\Z", re.DOTALL)


def _set(content: str) -> str:
    negated = content.startswith("^")
    letters = content[1:] if negated else content
    items: list[str] = []
    at = 0
    while at < len(letters):
        if letters[at + 1 : at + 2] == "-" and at + 2 < len(letters):
            low, high = letters[at], letters[at + 2]
            if low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
        else:
            items.append(re.escape(letters[at]))
            at += 1
    if not items:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(items)}]"
