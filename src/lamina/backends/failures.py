"""What the failures of a foreign system become: a table for each backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from lamina.errors import Sent, StorageError


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One thing that can go wrong, by *name*, and the error that it *becomes*.

    *transient* and *sent* are those of the error's class unless given.
    """

    name: str
    becomes: type[StorageError]
    message: str
    transient: bool | None = None
    sent: Sent | None = None

    def error(self, *, detail: str = "", retry_after: float | None = None) -> StorageError:
        """Return the error, to be raised ``from`` the foreign one.

        *detail* follows the message in parentheses: a code, a number, never content or a secret.
        """
        message = f"{self.message} ({detail})" if detail else self.message
        return self.becomes(
            message, transient=self.transient, sent=self.sent, retry_after=retry_after
        )


@final
class Failures(Mapping[str, Row]):
    """The table of one backend; every row has a test that produces it."""

    def __init__(self, *rows: Row) -> None:
        self._rows = {row.name: row for row in rows}
        if len(self._rows) < len(rows):
            msg = "two rows of a table of failures have one name"
            raise ValueError(msg)

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, None without a readable one.

    It holds seconds or an HTTP date (RFC 9110, 10.2.3); *now* is in Unix seconds.
    """
    told = (retry_after or "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:12])
    try:
        return max(parsedate_to_datetime(told).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None
