"""SQL of a select with rows of other tables inside."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from lamina.testing.servers.supabase.rest import quoting
from lamina.testing.servers.supabase.rest.asked import Chosen, Field, Level, aggregates
from lamina.testing.servers.supabase.rest.conditions import (
    Source,
    mentions,
    order_by,
    where,
    window,
)
from lamina.testing.servers.supabase.rest.refusal import Refused, not_embedded
from lamina.testing.servers.supabase.rest.relations import Relation, relation

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.asked import Asked, Condition, Embed, Part, Path
    from lamina.testing.servers.supabase.rest.catalogue import Schema


@dataclass(slots=True)
class _Row:
    """What one select is made of."""

    table: str
    columns: list[str] = field(default_factory=list[str])
    groups: list[str] = field(default_factory=list[str])
    joins: list[str] = field(default_factory=list[str])
    embedded: dict[str, Source] = field(default_factory=dict[str, Source])
    many: set[str] = field(default_factory=set[str])


@final
class Selection:
    """Builds the selects of one call within one schema."""

    def __init__(self, schema: Schema, within: str, asked: Asked) -> None:
        self._schema = schema
        self._within = within
        self._asked = asked
        self._check(asked.chosen, (), {()})

    def _check(self, parts: tuple[Part, ...], path: Path, known: set[Path]) -> None:
        for part in parts:
            if not isinstance(part, Chosen):
                known.add((*path, part.label))
                known.add((*path, part.name))
                self._check(part.chosen, (*path, part.label), known)
        if not path:
            for level in self._asked.levels:
                if level not in known:
                    raise not_embedded(level[-1])

    def select(self, source: Source, whence: str, table: str, *, bare: bool = False) -> str:
        """Return the select of the main table; *bare* has no conditions, order or limit."""
        level = Level() if bare else self._asked.top
        row = self._row(source, table, self._asked.chosen, ())
        return self._select(row, source, whence, level)

    def counted(self, source: Source, whence: str, table: str) -> str:
        """Return a select of one for each row, whatever order and limit."""
        row = self._row(source, table, self._asked.chosen, ())
        inner = "".join(join for join in row.joins if join.startswith(" INNER"))
        about = any(mentions(source, each, row.embedded) for each in self._asked.top.conditions)
        joins = "".join(row.joins) if about else inner
        conditions = self._conditions(source, row, self._asked.top.conditions)
        return f"SELECT 1 FROM {whence}{joins}{conditions}"

    def needed(self, table: str) -> tuple[str, ...]:
        """Return the columns that the select needs from a row that was written."""
        names: list[str] = []
        for part in self._asked.chosen:
            if isinstance(part, Chosen):
                names.append(part.field.name)
            else:
                found = relation(self._schema, self._within, table, part)
                names.extend(["*"] if found.call else [here for here, _ in found.pairs])
        return ("*",) if "*" in names or not names else tuple(dict.fromkeys(names))

    def _select(
        self, row: _Row, source: Source, whence: str, level: Level, more: tuple[str, ...] = ()
    ) -> str:
        for each in level.order:
            if each.of is not None and each.of not in row.embedded:
                raise not_embedded(each.of)
            if each.of in row.many:
                raise _not_to_one(row.table, each.of or "")
        return (
            f"SELECT {', '.join(row.columns)} FROM {whence}{''.join(row.joins)}"
            + self._conditions(source, row, level.conditions, more)
            + (f" GROUP BY {', '.join(row.groups)}" if row.groups else "")
            + order_by(source, level.order, row.embedded)
            + window(level.limit, level.offset)
        )

    def _conditions(
        self,
        source: Source,
        row: _Row,
        conditions: list[Condition],
        more: tuple[str, ...] = (),
    ) -> str:
        return where(source, conditions, more, row.embedded)

    def _row(self, source: Source, table: str, parts: tuple[Part, ...], path: Path) -> _Row:
        row = _Row(table)
        grouped = aggregates(tuple(part for part in parts if isinstance(part, Chosen)))
        for part in parts:
            if isinstance(part, Chosen):
                row.columns.append(_column(source, part))
                if grouped and part.aggregate is None:
                    row.groups.append(_plain(source, part))
            else:
                self._embed(row, source, table, part, (*path, part.label))
                if grouped and part.label not in row.many:
                    row.groups.extend(_grouped(row.embedded[part.label].qualifier, part))
        if not row.columns and not path:
            row.columns.append("1" if not parts else "NULL")
        return row

    def _embed(self, row: _Row, outer: Source, table: str, part: Embed, path: Path) -> None:
        found = relation(self._schema, self._within, table, part)
        alias = quoting.name(f"{table}_{part.label}_{len(path)}")
        target = self._schema.table(found.within, found.target)
        inside = Source(quoting.name(f"{found.target}_{len(path)}"), target)
        whence = f"{_whence(outer, found)} AS {inside.qualifier}"
        joined, conditions = _joined(outer, inside, found)
        level = self._asked.levels.get(path) or self._asked.level((*path[:-1], part.name))
        chosen = part.chosen or ()
        inner = self._row(inside, found.target, chosen or (Chosen(Field("*")),), path)
        select = self._select(inner, inside, whence + joined, level, conditions)
        if not found.single:
            if part.spread:
                raise _not_to_one(table, part.label, "A spread operation", "PGRST119")
            select = f"SELECT json_agg({alias}) AS {alias} FROM ({select}) AS {alias}"
            row.many.add(part.label)
        holds = f"{alias} IS NOT NULL" if part.inner and not found.single else "TRUE"
        kind = "INNER" if part.inner else "LEFT"
        row.joins.append(f" {kind} JOIN LATERAL ({select}) AS {alias} ON {holds}")
        row.embedded[part.label] = Source(alias, target)
        if chosen:
            row.columns.append(_embedded(alias, part, found))


def _whence(outer: Source, found: Relation) -> str:
    if found.call is None:
        return quoting.names(found.within, found.target)
    function, row = found.call
    return f"{quoting.names(*function)}(({outer.qualifier}.*)::{quoting.names(*row)})"


def _grouped(alias: str, part: Embed) -> list[str]:
    """Return what rows are grouped by, if one row is inside each."""
    if not part.spread:
        return [f"{alias}.*"]
    columns = [each for each in part.chosen if isinstance(each, Chosen)]
    return [f"{alias}.{quoting.name(each.alias or each.field.name)}" for each in columns]


def _embedded(alias: str, part: Embed, found: Relation) -> str:
    if part.spread:
        return f"{alias}.*"
    label = quoting.name(part.label)
    if found.single:
        return f"row_to_json({alias}.*) AS {label}"
    return f"COALESCE({alias}.{alias}, '[]') AS {label}"


def _joined(outer: Source, inside: Source, found: Relation) -> tuple[str, tuple[str, ...]]:
    """Return what else to select from, and the conditions that tie a row to the outer one."""
    if found.via is None:
        return "", tuple(
            f"{inside.qualifier}.{quoting.name(there)} = {outer.qualifier}.{quoting.name(here)}"
            for here, there in found.pairs
        )
    via = quoting.names(*found.via)
    near = [
        f"{via}.{quoting.name(there)} = {outer.qualifier}.{quoting.name(here)}"
        for here, there in found.pairs
    ]
    far = [
        f"{via}.{quoting.name(here)} = {inside.qualifier}.{quoting.name(there)}"
        for here, there in found.via_pairs
    ]
    return f", {via}", (*near, *far)


def _plain(source: Source, part: Chosen) -> str:
    column = source.field(part.field)
    return column if part.cast is None else f"CAST({column} AS {part.cast})"


def _column(source: Source, part: Chosen) -> str:
    column = _plain(source, part)
    if part.aggregate is not None:
        column = f"{part.aggregate.upper()}({'*' if part.field.name == '*' else column})"
    if part.aggregate_cast is not None:
        column = f"CAST({column} AS {part.aggregate_cast})"
    alias = part.alias
    if alias is None and part.aggregate is None and part.field.path:
        names = [key for _, key in part.field.path if isinstance(key, str)]
        alias = names[-1] if names else part.field.name
    return column if alias is None else f"{column} AS {quoting.name(alias)}"


def _not_to_one(
    table: str, name: str, what: str = "A related order", code: str = "PGRST118"
) -> Refused:
    return Refused(
        400,
        code,
        f"{what} on '{name}' is not possible",
        f"'{table}' and '{name}' do not form a many-to-one or one-to-one relationship",
    )
