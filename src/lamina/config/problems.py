"""All that is wrong with the settings, told at once and without a value."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, final

from lamina.config.options import Told
from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable


@final
class Problems:
    """Collects what is wrong, so that one message tells everything."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note one problem, in the words of whoever has to mend it."""
        line = f"{where}: {what}"
        if line not in self._told:
            self._told.append(line)

    def __len__(self) -> int:
        return len(self._told)

    def raise_if_any(self) -> None:
        """Raise what was noted.

        Raises:
            StackError: Names each problem with its file and key.
        """
        if not self._told:
            return
        if len(self._told) == 1:
            raise StackError(self._told[0])
        lines = "\n  ".join(self._told)
        msg = f"{len(self._told)} settings are wrong or missing:\n  {lines}"
        raise StackError(msg)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the *known* names was probably meant, and which there are."""
    names = sorted(known)
    close = get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names) or 'none'}"


def unknown(what: str, name: object, known: Iterable[str], *, more: str = "") -> str:
    """Say that there is no *what* of that name, which is shown unless a variable told it."""
    if isinstance(name, Told):
        return f"no such {what}{more}; {nearest(name, known)}"
    shown = quoted(name) if isinstance(name, str) else type(name).__name__
    return f"no {what} {shown}{more}; {nearest(str(name), known)}"


def quoted(name: object) -> str:
    """Show a name from a file, shortened."""
    text = repr(name)
    return text if len(text) <= 60 else f"{text[:60]}..."
