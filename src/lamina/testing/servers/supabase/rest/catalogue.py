"""What a database has: schemas, tables, foreign keys and functions, as of its last change."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, final

from lamina.testing.servers.supabase.rest.views import keys, linked, shown

if TYPE_CHECKING:
    import asyncpg

_HIDE: Final = (
    "SELECT set_config('_supabase.path', current_setting('search_path'), true),"
    " set_config('search_path', '', true)"
)
_SHOW: Final = "SELECT set_config('search_path', current_setting('_supabase.path'), true)"
_QUERY: Final = (files(__package__ or "") / "catalogue.sql").read_text()


@dataclass(frozen=True, slots=True)
class Column:
    """One column; *base* is what a domain is made of."""

    name: str
    type: str
    base: str
    kind: str
    default: str | None

    @property
    def is_json(self) -> bool:
        return self.base in {"json", "jsonb"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; *key* are the columns of its primary key."""

    schema: str
    name: str
    columns: dict[str, Column] = field(default_factory=dict[str, Column])
    key: tuple[str, ...] = ()
    kind: str = "r"


@dataclass(frozen=True, slots=True)
class Link:
    """One foreign key; *single* if at most one row can hold each value."""

    name: str
    schema: str
    table: str
    columns: tuple[str, ...]
    to_schema: str
    to_table: str
    to_columns: tuple[str, ...]
    single: bool


@dataclass(frozen=True, slots=True, order=True)
class Argument:
    """What a function takes."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Function:
    """One function; *table* is the schema and name of the table whose rows it gives."""

    schema: str
    name: str
    arguments: tuple[Argument, ...]
    type: str
    table: tuple[str, str] | None
    settings: tuple[str, ...]
    volatile: bool
    set: bool
    void: bool
    composite: bool
    variadic: bool
    row_of: tuple[str, str] | None
    """The schema and name of the table whose row it takes, if it takes nothing else."""
    one: bool
    """Whether it gives one row at most."""


@final
class Schema:
    """All that the catalogue tells at one moment."""

    def __init__(self, told: dict[str, Any], exposed: tuple[str, ...]) -> None:
        self.exposed = exposed or tuple(told["schemas"])
        self.tables = {(each["schema"], each["name"]): _table(each) for each in told["tables"]}
        views = shown(told["views"])
        for place, key in keys(views, self.tables):
            self.tables[place] = replace(self.tables[place], key=key)
        self.links = linked(views, [_link(each) for each in told["links"]])
        self.functions: dict[tuple[str, str], list[Function]] = {}
        for each in told["functions"]:
            self.functions.setdefault((each["schema"], each["name"]), []).append(_function(each))

    def table(self, schema: str, name: str) -> Table | None:
        return self.tables.get((schema, name))


@final
class Catalogue:
    """The schema, read again whenever it has changed."""

    def __init__(self, exposed: tuple[str, ...]) -> None:
        self._exposed = exposed
        self._known: tuple[int, Schema] | None = None
        self._reading = asyncio.Lock()

    @property
    def first(self) -> str:
        """The schema that is meant when none is told."""
        return self._exposed[0] if self._exposed else "public"

    async def schema(self, connection: asyncpg.Connection[Any], changes: int) -> Schema:
        """Return the schema as of the change *changes*."""
        async with self._reading:
            if self._known is None or self._known[0] != changes:
                await connection.execute(_HIDE)  # so that types are told with their schemas
                told = json.loads(await connection.fetchval(_QUERY))
                await connection.execute(_SHOW)
                self._known = changes, Schema(told, self._exposed)
            return self._known[1]


def _table(told: dict[str, Any]) -> Table:
    columns = {each["name"]: Column(**each) for each in told["columns"]}
    return Table(told["schema"], told["name"], columns, tuple(told["key"]), told["kind"])


def _link(told: dict[str, Any]) -> Link:
    columns, to_columns = tuple(told.pop("columns")), tuple(told.pop("to_columns"))
    return Link(**told, columns=columns, to_columns=to_columns)


def _function(told: dict[str, Any]) -> Function:
    arguments = tuple(Argument(**each) for each in told.pop("arguments"))
    table, row_of = told.pop("table"), told.pop("row_of")
    return Function(
        arguments=arguments,
        settings=tuple(told.pop("settings")),
        table=tuple(table) if table else None,
        row_of=tuple(row_of) if row_of else None,
        **told,
    )
