"""Walk through one parameter of a query string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn, final

from lamina.testing.servers.supabase.rest.asked import Field
from lamina.testing.servers.supabase.rest.refusal import unparsable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_NAME: Final = re.compile(r"(?:[^\W_]|[_ $])+(?:-(?!>)(?:[^\W_]|[_ $])+)*")
_KEY: Final = re.compile(r"(?:[^(\-:.,>)]|-(?!>))+")
_INDEX: Final = re.compile(r"[+-]?\d+(?=->|::|[.,)=]|$)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


@final
class Scanner:
    """A place in *text*; what cannot be read is refused as a part of *what*."""

    def __init__(self, what: str, text: str, *, before: int = 0) -> None:
        self.what = what
        self.text = text
        self.at: int = 0
        self._before = before
        """How many characters count as being before the text."""

    def refuse(
        self, expecting: str = "", *, at: int | None = None, instead: str | None = None
    ) -> NoReturn:
        """Refuse what is next, or at *at*; *instead* is told as what was found."""
        place = self.at if at is None else at
        found = f'"{self.text[place]}"' if place < len(self.text) else "end of input"
        details = f"unexpected {instead or found}" + (
            f" expecting {expecting}" if expecting else ""
        )
        raise unparsable(self.what, self.text, self._before + place + 1, details)

    def end(self, expecting: str) -> None:
        """Refuse whatever is left."""
        if not self.ended:
            self.refuse(f"{expecting} or end of input", instead=f"'{self.text[self.at]}'")

    @property
    def ended(self) -> bool:
        return self.at >= len(self.text)

    def sees(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def take(self, token: str) -> bool:
        """Step over *token* if it is next."""
        if not self.sees(token):
            return False
        self.at += len(token)
        return True

    def need(self, token: str, expecting: str = "") -> None:
        if not self.take(token):
            self.refuse(expecting or f'"{token}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def quoted(self) -> str | None:
        """Read a text in double quotes."""
        found = self.match(_QUOTED)
        return None if found is None else _ESCAPE.sub(r"\1", found[1])

    def name(self, expecting: str = "field name (* or [a..z0..9_$])") -> str:
        """Read the name of a column, a table or an alias."""
        quoted = self.quoted()
        if quoted is not None:
            return quoted
        found = self.match(_NAME)
        if found is None:
            self.refuse(expecting)
        return found[0].strip()

    def field(self) -> Field:
        """Read a column with the path of JSON behind it."""
        name = self.name()
        return Field(name, self.path())

    def path(self) -> tuple[tuple[str, str | int], ...]:
        steps: list[tuple[str, str | int]] = []
        while self.sees("->"):
            arrow = "->>" if self.take("->>") else "->"
            if arrow == "->":
                self.take("->")
            if self.sees("-") and not self.text[self.at + 1 : self.at + 2].isdigit():
                self.refuse("digit", at=self.at + 1)
            index = self.match(_INDEX)
            steps.append((arrow, int(index[0]) if index else self._key()))
        return tuple(steps)

    def _key(self) -> str:
        quoted = self.quoted()
        if quoted is not None:
            return quoted
        found = self.match(_KEY)
        if found is None:
            self.refuse('"-", digit or any non reserved character different from: .,>()')
        return found[0]

    def list_of(self, one: Callable[[], T]) -> tuple[T, ...]:
        """Read what commas separate, with spaces around them or not."""
        self.spaces()
        found = [one()]
        self.spaces()
        while self.take(","):
            self.spaces()
            found.append(one())
            self.spaces()
        return tuple(found)

    def spaces(self) -> None:
        """Step over spaces and tabs."""
        while self.sees(" ") or self.sees("\t"):
            self.at += 1

    def element(self) -> str:
        """Read a value that ends at a comma or a closing parenthesis, maybe quoted."""
        begin = self.at
        quoted = self.quoted()
        if quoted is not None and (self.ended or self.text[self.at] in ",)"):
            return quoted
        self.at = begin
        while not self.ended and self.text[self.at] not in ",)":
            self.at += 1
        return self.text[begin : self.at]
