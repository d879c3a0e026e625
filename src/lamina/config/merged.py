"""Settings laid over each other, which remember where each came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

from lamina.config.options import Told
from lamina.config.sources import variable

if TYPE_CHECKING:
    from lamina.config.problems import Problems

Path: TypeAlias = tuple[str, ...]
ENVIRONMENT: Final = "environment"
_NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE: Final = re.compile(rf"\$(?:(\$)|\{{({_NAME}(?:\|{_NAME})*)(\?)?\}}|\{{)")


@final
class Merged:
    """One tree of settings; the later source wins, key by key."""

    def __init__(self, sources: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self.tree: dict[str, Any] = {}
        self.missing: set[Path] = set()
        self._filled_from: dict[Path, str] = {}
        self._origins: dict[Path, str] = {}
        for label, tree in sources:
            self._lay(self.tree, tree, label, ())

    def origin(self, path: Path) -> str:
        """Return the label of the source that a key, or the table around it, comes from."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
        return "settings"

    def where(self, path: Path) -> str:
        """Return how to name a key in a message: its source and its dotted name."""
        label = self.origin(path)
        if label == ENVIRONMENT:
            return f"environment {variable(path)}"
        names = self._filled_from.get(path)
        return f"{label}: {'.'.join(map(_shown, path))}{f' (from {names})' if names else ''}"

    def table(self, path: Path) -> dict[str, Any]:
        """Return the table at *path*, empty if there is none."""
        found = self.tree
        for step in path:
            inner = found.get(step)
            found = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
        return found

    def interpolate(self, environ: Mapping[str, str], problems: Problems) -> None:
        """Put variables in the place of ``${NAME}``; ``$$`` stands for one ``$`` before ``{``.

        ``${NAME|OTHER}`` takes the first that is set; with ``?`` at the end, ``${NAME?}``, the
        setting is as good as not there when none is. In a list each text is filled by itself.
        """
        self._fill(self.tree, (), environ, problems)

    def _lay(self, below: dict[str, Any], above: Mapping[str, Any], label: str, at: Path) -> None:
        for key, value in above.items():
            path = (*at, key)
            self._origins[path] = label
            if isinstance(value, Mapping):
                inner = below.get(key)
                if not isinstance(inner, dict):
                    inner = below[key] = {}
                self._lay(
                    cast("dict[str, Any]", inner), cast("Mapping[str, Any]", value), label, path
                )
            else:
                below[key] = value

    def _fill(
        self, tree: dict[str, Any], at: Path, environ: Mapping[str, str], problems: Problems
    ) -> None:
        def filled(text: object, path: Path) -> object:
            return self._filled(text, path, environ, problems) if isinstance(text, str) else text

        for key, value in list(tree.items()):
            path = (*at, key)
            if isinstance(value, dict):
                self._fill(cast("dict[str, Any]", value), path, environ, problems)
            elif isinstance(value, list):
                items = [filled(item, path) for item in cast("list[object]", value)]
                tree[key] = [item for item in items if item is not _ABSENT]
            else:
                tree[key] = filled(value, path)
            if tree[key] is _ABSENT or path in self.missing:
                del tree[key]

    def _filled(
        self, text: str, path: Path, environ: Mapping[str, str], problems: Problems
    ) -> object:
        """Return *text* with its variables' values, absent if one that it needs is not set."""
        if isinstance(text, Told) or "${" not in text:
            return text
        filled, lacking = _replaced(text, environ)
        needed = [names for names in lacking if names != _OPTIONAL]
        if needed:
            self.missing.add(path)
            problems.add(self.where(path), self._lacking(path, needed))
        if lacking:
            return _ABSENT
        self._filled_from[path] = " and ".join(_names(text))
        return Told(filled)

    def _lacking(self, path: Path, names: list[str]) -> str:
        if not all(names):
            return "has a '${' without a variable's name and '}'"
        return f"missing, set {' and '.join(names)}{self.switched_off(path)}"

    def switched_off(self, path: Path) -> str:
        """Say which backend a missing setting switches off."""
        for length in range(len(path), 0, -1):
            backend = self.table(path[:length]).get("backend")
            if isinstance(backend, str):
                return f"; without it {'.'.join(path[:length])} has no {backend}"
        return ""


_OPTIONAL: Final = "?"
_ABSENT: Final = object()


def _replaced(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    lacking: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        names = (match[2] or "").split("|")
        value = next((environ[name] for name in names if environ.get(name)), "")
        if not value:
            lacking.append(_OPTIONAL if match[3] else " or ".join(names))
        return value

    return _VARIABLE.sub(replaced, text), lacking


def _names(text: str) -> list[str]:
    found = [match[2] for match in _VARIABLE.finditer(text) if match[2]]
    return [names.replace("|", " or ") for names in found]


def _shown(step: str) -> str:
    text = step if step.isprintable() else repr(step)
    return text if len(text) <= 60 else f"{text[:60]}..."
