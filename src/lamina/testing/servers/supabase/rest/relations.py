"""Which rows of another table belong to a row, by foreign keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lamina.testing.servers.supabase.rest.refusal import Refused
from lamina.testing.servers.supabase.rest.similar import closest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers.supabase.rest.asked import Embed
    from lamina.testing.servers.supabase.rest.catalogue import Link, Schema


@dataclass(frozen=True, slots=True)
class Relation:
    """How to get from one table to another; *via* is the schema and name of a table between."""

    origin: str
    target: str
    kind: str
    pairs: tuple[tuple[str, str], ...]
    hint: str
    told: str
    within: str
    via: tuple[str, str] | None = None
    via_pairs: tuple[tuple[str, str], ...] = ()
    of_view: bool = False
    call: tuple[tuple[str, str], tuple[str, str]] | None = None
    """A function that gives the rows, and the table whose row it takes."""

    @property
    def constraint(self) -> str | None:
        return None if self.kind == "many-to-many" else self.hint

    @property
    def single(self) -> bool:
        return self.kind in {"many-to-one", "one-to-one"}


def relation(schema: Schema, within: str, table: str, embed: Embed) -> Relation:
    """Return the relation that *embed* means.

    Raises:
        Refused: There is none, or more than one.
    """
    computed = _computed(schema, within, table, embed.name)
    if computed is not None:
        return computed
    every = list(_all(schema, within, table))
    found = [each for each in every if _fits(each, embed)]
    if not found:
        raise _none(within, table, embed, every, schema)
    if len(found) > 1:
        raise _ambiguous(table, embed.name, found)
    return found[0]


def _fits(found: Relation, embed: Embed) -> bool:
    near, far = _single(found)
    if found.kind != "many-to-many" and found.origin == found.target:  # one key, two relations
        back = embed.name == found.target and found.kind == "one-to-many"
        if embed.hint is not None:
            return back and embed.hint == far
        return back or (embed.name == near and found.kind == "many-to-one")
    by_key = not found.of_view and embed.name in (near, found.constraint)
    named = embed.name == found.target or by_key
    return named and (embed.hint is None or embed.hint in (near, far, found.hint))


def _computed(schema: Schema, within: str, table: str, name: str) -> Relation | None:
    for each in schema.functions.get((within, name), []):
        row = (within, table)
        if each.row_of == row and each.table is not None:
            there, target = each.table
            kind = "many-to-one" if each.one else "one-to-many"
            call = (within, name), row
            return Relation(table, target, kind, (), name, name, there, call=call)
    return None


def _single(found: Relation) -> tuple[str | None, str | None]:
    """Return the column here and the one there, if a key has just one."""
    if found.kind == "many-to-many" or len(found.pairs) != 1:
        return None, None
    return found.pairs[0]


def _all(schema: Schema, within: str, table: str) -> Iterator[Relation]:
    links = [each for each in schema.links if each.schema == each.to_schema == within]
    for link in links:
        columns = tuple(zip(link.columns, link.to_columns, strict=True))
        told = f"{link.name} using {{}}({{}}) and {{}}({{}})"
        one, other = ", ".join(link.columns), ", ".join(link.to_columns)
        if link.table == table:
            kind = "one-to-one" if link.single else "many-to-one"
            about = told.format(table, one, link.to_table, other)
            yield replace(
                Relation(table, link.to_table, kind, columns, link.name, about, within),
                of_view=_is_view(schema, within, link.to_table),
            )
        if link.to_table == table:
            kind = "one-to-one" if link.single else "one-to-many"
            about = told.format(table, other, link.table, one)
            back = tuple((there, here) for here, there in columns)
            yield replace(
                Relation(table, link.table, kind, back, link.name, about, within),
                of_view=_is_view(schema, within, link.table),
            )
    yield from _through(schema, links, table)


def _is_view(schema: Schema, within: str, name: str) -> bool:
    found = schema.table(within, name)
    return found is not None and found.kind in {"v", "m"}


def _through(schema: Schema, links: list[Link], table: str) -> Iterator[Relation]:
    for near in links:
        if near.to_table != table:
            continue
        junction = schema.table(near.schema, near.table)
        for far in links:
            if far.name == near.name or far.table != near.table or junction is None:
                continue
            if {*near.columns, *far.columns} <= {*junction.key}:
                yield Relation(
                    table,
                    far.to_table,
                    "many-to-many",
                    tuple(zip(near.to_columns, near.columns, strict=True)),
                    near.table,
                    f"{near.table} using {near.name}({', '.join(near.columns)})"
                    f" and {far.name}({', '.join(far.columns)})",
                    near.to_schema,
                    (near.schema, near.table),
                    tuple(zip(far.columns, far.to_columns, strict=True)),
                )


def _none(within: str, table: str, embed: Embed, every: list[Relation], schema: Schema) -> Refused:
    using = f" using the hint '{embed.hint}'" if embed.hint else ""
    hint = None
    if every:
        close = closest(embed.name, [each.target for each in every])
        if close is not None and close != embed.name:
            hint = f"Perhaps you meant '{close}' instead of '{embed.name}'."
    else:
        linked = [each.table for each in schema.links] + [each.to_table for each in schema.links]
        close = closest(table, linked)
        if close is not None and close != table:
            hint = f"Perhaps you meant '{close}' instead of '{table}'."
    return Refused(
        400,
        "PGRST200",
        f"Could not find a relationship between '{table}' and '{embed.name}' in the schema cache",
        f"Searched for a foreign key relationship between '{table}' and '{embed.name}'{using} "
        f"in the schema '{within}', but no matches were found.",
        hint,
    )


def _ambiguous(table: str, name: str, found: list[Relation]) -> Refused:
    details = [
        {
            "cardinality": each.kind,
            "embedding": f"{table} with {each.target}",
            "relationship": each.told,
        }
        for each in found
    ]
    choices = ", ".join(f"'{each.target}!{each.hint}'" for each in found)
    return Refused(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{table}' and '{name}'",
        details,
        f"Try changing '{name}' to one of the following: {choices}. "
        "Find the desired relationship in the 'details' key.",
    )
