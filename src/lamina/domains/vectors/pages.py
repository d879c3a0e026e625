"""Pages of the nearest records, for stores that keep nothing between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.domains.vectors.operations import Nearest
from lamina.errors import Invalid
from lamina.values import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.domains.vectors.operations import Match, NearestPage

_DIGITS: Final = 12


def so_far(op: NearestPage) -> Nearest:
    """Return the search that gives this page and those before it, and one record more.

    Raises:
        Invalid: The cursor is none that a page gave.
    """
    count = _before(op) + op.limit + 1
    return Nearest(op.vector, op.sparse, op.text, count, op.filter, op.namespace, scope=op.scope)


def page_of(op: NearestPage, found: Sequence[Match]) -> Page[Match]:
    """Return the page of what that search *found*."""
    before = _before(op)
    end = before + op.limit
    return Page(tuple(found[before:end]), str(end) if len(found) > end else None)


def _before(op: NearestPage) -> int:
    told = op.cursor or "0"
    if not (told.isascii() and told.isdigit() and len(told) <= _DIGITS):
        msg = "the cursor is none that a page gave"
        raise Invalid(msg)
    return int(told)
