"""Keys of tables that views show, so that a view is linked like its tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers.supabase.rest.catalogue import Link, Table

Place: TypeAlias = tuple[str, str]
"""A schema, and a table or view in it."""

Views: TypeAlias = dict[Place, dict[Place, dict[str, str]]]
"""For each view, and each table that it shows: the names of the table's columns in the view."""


def shown(told: list[dict[str, Any]]) -> Views:
    """Return what views show of tables, also by way of other views."""
    direct = {
        (each["schema"], each["name"]): [(*column,) for column in each["columns"]] for each in told
    }
    return {view: _shown(direct, view) for view in direct}


def _shown(direct: dict[Place, list[Any]], view: Place) -> dict[Place, dict[str, str]]:
    found: dict[Place, dict[str, str]] = {}
    for schema, name, column, own in direct[view]:
        origin = (schema, name)
        if origin not in direct:
            found.setdefault(origin, {}).setdefault(column, own)
            continue
        for table, columns in _shown(direct, origin).items():
            for there, here in columns.items():
                if here == column:
                    found.setdefault(table, {}).setdefault(there, own)
    return found


def linked(views: Views, links: list[Link]) -> list[Link]:
    """Return the links of tables, and those of the views that show all columns of a link."""
    found: list[Link] = []
    for link in links:
        near = [(link.schema, link.table, link.columns)]
        near += _all_of(views, (link.schema, link.table), link.columns)
        far = [(link.to_schema, link.to_table, link.to_columns)]
        far += _all_of(views, (link.to_schema, link.to_table), link.to_columns)
        found += [
            replace(
                link,
                schema=schema,
                table=table,
                columns=columns,
                to_schema=to_schema,
                to_table=to_table,
                to_columns=to_columns,
            )
            for schema, table, columns in near
            for to_schema, to_table, to_columns in far
        ]
    return found


def keys(views: Views, tables: dict[Place, Table]) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """Give the primary keys of views: those of the first table whose key they show."""
    for view, tables_shown in views.items():
        for table, columns in tables_shown.items():
            key = tables[table].key if table in tables else ()
            if key and columns.keys() >= {*key}:
                yield view, tuple(columns[name] for name in key)
                break


def _all_of(
    views: Views, table: Place, columns: tuple[str, ...]
) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (*view, tuple(each[table][name] for name in columns))
        for view, each in views.items()
        if table in each and each[table].keys() >= {*columns}
    ]
