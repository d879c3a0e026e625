"""Find documents: the statement for one page, and the page of what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from lamina.backends.postgres.conditions import compiled
from lamina.backends.postgres.written import decoded
from lamina.domains.documents import Document, Found
from lamina.domains.documents.pages import Place, Sorting
from lamina.values import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.postgres.documents_sql import Statements
    from lamina.domains.documents import Find


class Row(Protocol):
    """A row: its columns by number."""

    def __getitem__(self, at: int, /) -> Any: ...


LONGEST_PAGE: Final = 10_000
_SORTED_BY: Final = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "id": "id",
    "path": "coalesce(path, '')",
}


def statement(
    op: Find, sql: Statements, sorting: Sorting, words: list[str] | None
) -> tuple[str, list[Any]]:
    """Return the SQL for a page, and one row more, with the values bound in it.

    Raises:
        Invalid: The cursor is none of this order.
        Unsupported: The filter cannot be asked for.
    """
    values: list[Any] = [op.scope]
    wheres = ["scope = $1"]
    if words is not None:
        values.append(words)
        wheres.append("words @> $2::text[]")
    if op.filter is not None:
        wheres.append(compiled(op.filter, values))
    by = f"(-{sql.score})" if sorting.by == "rank" else _SORTED_BY[sorting.by]
    if op.cursor is not None:
        values += sorting.place(op.cursor)
        way = "<" if sorting.descending else ">"
        wheres.append(f"({by}, id) {way} (${len(values) - 1}, ${len(values)})")
    values.append(_limit(op) + 1)
    way = "DESC" if sorting.descending else "ASC"
    score = "0::double precision" if words is None else sql.score
    text = (
        f"{sql.find.format(score=score)} WHERE {' AND '.join(wheres)} "
        f"ORDER BY {by} {way}, id {way} LIMIT ${len(values)}"
    )
    return text, values


def page(op: Find, sorting: Sorting, rows: Sequence[Row]) -> Page[Found]:
    """Return the page that *rows* make."""
    limit = _limit(op)
    items = tuple(Found(document(row), row[7]) for row in rows[:limit])
    following = sorting.cursor(_place(sorting, items[-1])) if len(rows) > limit else None
    return Page(items, following)


def document(row: Row) -> Document:
    """Return the document that a row holds."""
    return Document(row[0], row[1], decoded(row[2]), row[3], row[4], row[5], row[6])


def _place(sorting: Sorting, last: Found) -> Place:
    if sorting.by == "rank":
        return -last.score, last.document.id
    value: float | str | None = getattr(last.document, sorting.by)
    return "" if value is None else value, last.document.id


def _limit(op: Find) -> int:
    return min(int(op.limit), LONGEST_PAGE)
