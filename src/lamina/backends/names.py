"""Names of objects for stores that take no empty segments, and not every character.

A key is kept as it is but for what its store does not take: each byte of that is written as a
mark and two hexadecimal digits. A segment that would be empty, ``.`` or ``..`` ends in the mark
and a dot; what stands beneath the mark and a letter is no key but a scope, or something that the
backend keeps for itself. So no two keys, of whatever scopes, share a name, and what begins with a
prefix has a name that begins with that prefix's.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

_NARROW: Final = re.compile(r"[A-Za-z0-9_-]")
_DIGEST: Final = 64
_ASCII: Final = 128
_SCOPE: Final = 200
"""Bytes of a scope's name, above which it is a digest."""

_SEGMENT: Final = 255
"""Bytes of a segment: what file systems take, on which many stores stand."""


@final
class Names:
    """The names of one store.

    *mark* is a character that it takes, *plain* tells the others (the mark not among them), and
    *longest* is how many bytes a name may have. A longer one, or a segment of more than 255
    bytes, is cut, and ends in a digest. *before* stands before all names.
    """

    def __init__(
        self, mark: str, plain: Callable[[str], bool], *, longest: int, before: str = ""
    ) -> None:
        self._mark = mark
        self._longest = longest
        self._before = before
        self._cut = f"{mark}-"
        self._holder = f"{mark}."
        self._narrow = _Written(mark, lambda char: _NARROW.fullmatch(char) is not None)
        self._written = _Written(mark, lambda char: char == "/" or plain(char))
        self._escaped = re.compile(f"(?:{re.escape(mark)}[0-9A-F]{{2}})+")

    def kept(self, what: str) -> str:
        """Return with what the names begin that stand for no key, but for *what*, a letter."""
        return f"{self._before}{self._mark}{what}/"

    def begin(self, scope: str) -> str:
        """Return with what the names of all objects of a *scope* begin."""
        if not scope:
            return self._before
        told = scope.translate(self._narrow)
        if len(told) > _SCOPE:
            told = f"{self._cut}{sha256(scope.encode()).hexdigest()}"
        return f"{self.kept('s')}{told}/"

    def name(self, scope: str, key: str) -> str:
        """Return the name of the object under *key*."""
        begin = self.begin(scope)
        whole = "/".join(map(self._held, key.translate(self._written).split("/")))
        if len(whole.encode()) > self._longest - len(begin.encode()):
            digest = sha256(key.encode()).hexdigest()
            whole = f"{self._head(whole, self._longest - len(begin.encode()))}{self._cut}{digest}"
        return begin + whole

    def stem(self, scope: str, prefix: str) -> str:
        """Return with what the names of all keys with *prefix* begin; others may, too."""
        begin = self.begin(scope)
        *whole, last = prefix.translate(self._written).split("/")
        told = "/".join((*map(self._held, whole), self._head(last, _SEGMENT)))
        return begin + self._head(told, self._longest - len(begin.encode()))

    def key(self, scope: str, name: str) -> str | None:
        """Return the key kept under *name*, None if it does not tell: it was cut."""
        told = name.removeprefix(self.begin(scope)).replace(self._holder, "")
        if self._cut in told:
            return None
        return self._escaped.sub(self._unescaped, told)

    def _unescaped(self, found: re.Match[str]) -> str:
        return bytes.fromhex(found[0].replace(self._mark, "")).decode(errors="replace")

    def _held(self, segment: str) -> str:
        if segment in {"", ".", ".."}:
            return segment + self._holder
        data = segment.encode()
        if len(data) <= _SEGMENT:
            return segment
        return f"{self._head(segment, _SEGMENT)}{self._cut}{sha256(data).hexdigest()}"

    def _head(self, whole: str, longest: int) -> str:
        """Return as much of *whole* as what is cut to *longest* has: the same for all prefixes."""
        room = longest - len(self._cut) - _DIGEST
        return whole.encode()[:room].decode(errors="ignore")


@final
class _Written(dict[int, str]):
    """How each character is written; those of ASCII are looked up once."""

    def __init__(self, mark: str, plain: Callable[[str], bool]) -> None:
        super().__init__()
        self._mark = mark
        self._plain = plain

    def __missing__(self, code: int) -> str:
        char = chr(code)
        told = char
        if not self._plain(char):
            told = "".join(f"{self._mark}{byte:02X}" for byte in char.encode())
        if code < _ASCII:
            self[code] = told
        return told
