"""The header Prefer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUES: Final = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "return": ("representation", "minimal", "headers-only"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "handling": ("strict", "lenient"),
}
_APPLIED: Final = (
    *("resolution", "missing", "return", "count", "tx", "handling", "timezone", "max-affected"),
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was preferred and is honoured, by name; the first value of each counts."""

    given: dict[str, str]

    def get(self, name: str) -> str | None:
        return self.given.get(name)

    @property
    def counts(self) -> bool:
        """Tell whether the rows are to be counted, rather than estimated at most."""
        return self.get("count") in {"exact", "estimated"}

    @property
    def merges(self) -> bool:
        return self.get("resolution") == "merge-duplicates"

    @property
    def most(self) -> int | None:
        """The most rows that a strict call may change."""
        told = self.get("max-affected")
        return int(told) if told is not None and self.get("handling") == "strict" else None

    def refuse(self, *unknown: str) -> None:
        """Refuse what cannot be honoured, if handling is strict."""
        if self.get("handling") == "strict":
            details = f"Invalid preferences: {', '.join(unknown)}"
            message = "Invalid preferences given with handling=strict"
            raise Refused(400, "PGRST122", message, details)

    def applied(self, *names: str) -> dict[str, str]:
        """Return the header that tells which of *names* were honoured."""
        told = [
            f"{name}={self.given[name]}"
            for name in _APPLIED
            if name in names
            and name in self.given
            and (name != "max-affected" or self.most is not None)
        ]
        return {"Preference-Applied": ", ".join(told)} if told else {}


def preferences(headers: Sequence[str]) -> Preferences:
    """Read the values of all headers Prefer.

    Raises:
        Refused: handling=strict, and there is one that is unknown.
    """
    given: dict[str, str] = {}
    unknown: list[str] = []
    for part in ",".join(headers).split(","):
        told = part.strip()
        name, _, value = told.partition("=")
        if _is_known(name, value):
            given.setdefault(name, value)
        elif told:
            unknown.append(told)
    found = Preferences(given)
    if unknown:
        found.refuse(*unknown)
    return found


def _is_known(name: str, value: str) -> bool:
    if name == "max-affected":
        return value.isascii() and value.isdigit()
    return value in _VALUES.get(name, ()) or (name == "timezone" and bool(value))
