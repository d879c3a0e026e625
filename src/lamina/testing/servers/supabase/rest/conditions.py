"""SQL of columns, comparisons and orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.rest import quoting
from lamina.testing.servers.supabase.rest.asked import Tree
from lamina.testing.servers.supabase.rest.filters import PLAIN, QUANTIFIABLE, SEARCHES
from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.testing.servers.supabase.rest.asked import Condition, Field, Filter, Order
    from lamina.testing.servers.supabase.rest.catalogue import Column, Table

_NULLS: Final = {"nullsfirst": " NULLS FIRST", "nullslast": " NULLS LAST"}
_WITH_STARS: Final = ("like", "ilike")


@dataclass(frozen=True, slots=True)
class Source:
    """Where columns come from: what to write before them, and what is known of them."""

    qualifier: str
    table: Table | None = None

    def column(self, name: str) -> Column | None:
        return None if self.table is None else self.table.columns.get(name)

    def field(self, field: Field) -> str:
        """Return a column, or a place in it."""
        column = f"{self.qualifier}.{'*' if field.name == '*' else quoting.name(field.name)}"
        if not field.path:
            return column
        known = self.column(field.name)
        if known is not None and not known.is_json:
            column = f"to_jsonb({column})"
        return column + "".join(
            arrow + (str(key) if isinstance(key, int) else quoting.value(key))
            for arrow, key in field.path
        )


def where(
    source: Source,
    conditions: Sequence[Condition],
    more: Iterable[str] = (),
    embedded: Mapping[str, Source] | None = None,
) -> str:
    """Return all conditions behind WHERE, nothing if there are none; *embedded* are rows inside."""
    parts = [*more, *(condition(source, each, embedded or {}) for each in conditions)]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def condition(source: Source, asked: Condition, embedded: Mapping[str, Source]) -> str:
    """Return one condition."""
    if isinstance(asked, Tree):
        told = (condition(source, each, embedded) for each in asked.members)
        members = f" {asked.joined.upper()} ".join(told)
        return f"{'NOT ' if asked.negated else ''}({members})"
    if _is_embedded(source, asked, embedded):
        return _null(embedded[asked.field.name], asked)
    compared = _comparison(source, asked)
    return f"NOT {compared}" if asked.negated else compared


def mentions(source: Source, asked: Condition, embedded: Mapping[str, Source]) -> bool:
    """Tell whether a condition is about rows inside."""
    if isinstance(asked, Tree):
        return any(mentions(source, each, embedded) for each in asked.members)
    return _is_embedded(source, asked, embedded)


def _is_embedded(source: Source, asked: Filter, embedded: Mapping[str, Source]) -> bool:
    """Tell whether a filter is about rows inside, rather than about a column of the same name."""
    if asked.field.path or asked.field.name not in embedded:
        return False
    about_null = asked.operator == "is" and asked.value == "NULL"
    return about_null or source.column(asked.field.name) is None


def _null(embedded: Source, asked: Filter) -> str:
    if asked.operator != "is" or asked.value != "NULL":
        raise Refused(
            400,
            "PGRST120",
            f"Bad operator on the '{asked.field.name}' embedded resource",
            "Only is null or not is null filters are allowed on embedded resources",
        )
    return f"{embedded.qualifier} IS {'' if asked.negated else 'NOT '}DISTINCT FROM NULL"


def _comparison(source: Source, asked: Filter) -> str:
    left, operator, value = source.field(asked.field), asked.operator, asked.value
    if isinstance(value, tuple):
        return f"{left} = ANY ({quoting.array(value) if value else _EMPTY})"
    if operator == "is":
        return f"{left} IS {value}"
    if operator == "isdistinct":
        return f"{left} IS DISTINCT FROM {quoting.value(value)}"
    if operator in SEARCHES:
        config = "" if asked.config is None else f"{quoting.value(asked.config)}, "
        return f"{left} @@ {SEARCHES[operator]}({config}{quoting.value(value)})"
    if operator in PLAIN:
        return f"{left} {PLAIN[operator]} {quoting.value(value)}"
    if operator in _WITH_STARS:
        value = value.replace("*", "%")
    right = quoting.value(value)
    if asked.quantifier is not None:
        right = f"{asked.quantifier.upper()} ({right})"
    return f"{left} {QUANTIFIABLE[operator]} {right}"


_EMPTY: Final = "'{}'"


def order_by(source: Source, orders: Sequence[Order], embedded: dict[str, Source]) -> str:
    """Return what is sorted by behind ORDER BY."""
    if not orders:
        return ""
    return " ORDER BY " + ", ".join(
        (embedded[each.of] if each.of is not None else source).field(each.field)
        + (f" {each.direction.upper()}" if each.direction else "")
        + (_NULLS[each.nulls] if each.nulls else "")
        for each in orders
    )


def window(limit: int | None, offset: int) -> str:
    """Return which of the rows are meant."""
    return (f" LIMIT {limit}" if limit is not None else "") + (
        f" OFFSET {offset}" if offset else ""
    )
