"""One call within its transaction."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.testing.servers.supabase.rest import quoting
from lamina.testing.servers.supabase.rest.conditions import Source
from lamina.testing.servers.supabase.rest.refusal import Refused, not_one_row

if TYPE_CHECKING:
    import asyncpg

    from lamina.testing.servers.supabase.message import Answer, Call
    from lamina.testing.servers.supabase.rest.asked import Asked
    from lamina.testing.servers.supabase.rest.catalogue import Schema, Table
    from lamina.testing.servers.supabase.rest.media import Media
    from lamina.testing.servers.supabase.rest.preferences import Preferences


@dataclass(slots=True)
class Work:
    """All that answering one call needs."""

    call: Call
    bare: asyncpg.Connection[Any]
    schema: Schema
    within: str
    name: str
    asked: Asked
    prefer: Preferences
    media: Media
    max_rows: int | None = None

    @property
    def table(self) -> Table | None:
        return self.schema.table(self.within, self.name)

    @property
    def source(self) -> Source:
        """The table itself."""
        return Source(quoting.names(self.within, self.name), self.table)

    @property
    def written(self) -> Source:
        """The rows that were written, under the name of their table."""
        return Source(quoting.name(self.name), self.table)

    async def run(self, source: str, rows: str, *values: object, total: str = "NULL") -> Outcome:
        """Run *source*, a select or a change, and give its *rows* in the form that is asked for.

        Raises:
            Refused: One row was asked for, and there is another number of them.
        """
        sql = (
            f"WITH pgrst_source AS ({source}) SELECT ({total})::bigint AS total,"
            f" pg_catalog.count(_postgrest_t) AS page, {self.media.body} AS body,"
            " nullif(current_setting('pgrst.inserted', true), '')::int AS inserted,"
            " nullif(current_setting('response.headers', true), '') AS headers,"
            " nullif(current_setting('response.status', true), '') AS status"
            f" FROM ({rows}) AS _postgrest_t"
        )
        if self.media.explain:
            return await self._explained(sql, *values)
        row = await self.bare.fetchrow(sql, *values)
        assert row is not None  # an aggregate gives a row
        outcome = Outcome(**dict(row))
        if self.media.single and outcome.page != 1:
            raise not_one_row(outcome.page)
        return outcome

    async def _explained(self, sql: str, *values: object) -> Outcome:
        lines = await self.bare.fetch(f"EXPLAIN ({self.media.explain}) {sql}", *values)
        return Outcome(None, 1, "\n".join(line[0] for line in lines), None, None, None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a statement."""

    total: int | None
    page: int
    body: str
    inserted: int | None
    headers: str | None
    status: str | None

    def onto(self, answer: Answer) -> Answer:
        """Add the status and the headers that a function set by itself."""
        if self.status is not None:
            if not self.status.isdigit() or not 100 <= int(self.status) <= 599:
                message = "response.status guc must be a valid status code"
                raise Refused(500, "PGRST112", message)
            answer.status = int(self.status)
        if self.headers is not None:
            answer.headers.update(_headers(self.headers))
        return answer


def _headers(text: str) -> dict[str, str]:
    try:
        return {
            name: value
            for each in json.loads(text)
            for name, value in each.items()
            if isinstance(value, str) or _bad()
        }
    except (ValueError, AttributeError, TypeError) as error:
        message = (
            "response.headers guc must be a JSON array composed of objects with a single key "
            "and a string value"
        )
        raise Refused(500, "PGRST111", message) from error


def _bad() -> bool:
    raise ValueError
