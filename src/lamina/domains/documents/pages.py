"""In which order documents are found, and where the next page begins."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, final

from lamina.errors import Invalid
from lamina.values import check_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.domains.documents.operations import Find

Place: TypeAlias = tuple[float | str, str]
"""The sorted value of a document, and its id, which decides between equals."""

_NUMBERS: Final = frozenset({"rank", "created_at", "updated_at"})


@final
@dataclass(frozen=True, slots=True)
class Sorting:
    """By what documents are sorted: ``rank`` is the score below zero, so the best comes first.

    Pages go on after the last document's place, so writes between them neither repeat nor hide
    others. Only places by rank move when writes change how rare a word is.
    """

    by: Literal["rank", "created_at", "updated_at", "id", "path"]
    descending: bool = False

    @classmethod
    def of(cls, op: Find) -> Sorting:
        """Return the order of *op*: as asked, else by score, without text by id."""
        if op.order is not None:
            return cls(op.order, op.descending)
        return cls("rank" if op.text else "id")

    def cursor(self, place: Place) -> str:
        """Return the text that stands for *place*."""
        told = json.dumps([self.by, self.descending, *place], separators=(",", ":"))
        return base64.urlsafe_b64encode(told.encode()).decode()

    def place(self, cursor: str) -> Place:
        """Return the place that ``cursor()`` was given.

        Raises:
            Invalid: It is no cursor, or one of another order.
        """
        try:
            told: Any = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        except (ValueError, RecursionError) as error:
            msg = "the cursor is none that a page gave"
            raise Invalid(msg) from error
        found = [*cast("Iterable[Any]", told)] if isinstance(told, list) else []
        if len(found) != 4 or found[:2] != [self.by, self.descending]:
            msg = "the cursor is none that a page in this order gave"
            raise Invalid(msg)
        _check_value(found[2], number=self.by in _NUMBERS)
        check_text(found[3], what="the cursor's id")
        return found[2], found[3]


def _check_value(value: object, *, number: bool) -> None:
    if not number:
        check_text(value, what="the cursor's value")
    elif not isinstance(value, float) or not math.isfinite(value):
        msg = "the cursor's value must be a finite number"
        raise Invalid(msg)
