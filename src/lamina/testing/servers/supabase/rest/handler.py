"""Answer one call of ``/rest/v1``, in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from lamina.testing.servers.supabase.connections import Down, TooBusy
from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import calls, changes, inserts, quoting, reads, refusal
from lamina.testing.servers.supabase.rest.about import about
from lamina.testing.servers.supabase.rest.asked import aggregates
from lamina.testing.servers.supabase.rest.failing import refusal_of
from lamina.testing.servers.supabase.rest.media import media, plan
from lamina.testing.servers.supabase.rest.overloads import choose
from lamina.testing.servers.supabase.rest.preferences import preferences
from lamina.testing.servers.supabase.rest.question import asked
from lamina.testing.servers.supabase.rest.refusal import Refused
from lamina.testing.servers.supabase.rest.work import Work

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.connections import Connection
    from lamina.testing.servers.supabase.message import Call
    from lamina.testing.servers.supabase.options import Options
    from lamina.testing.servers.supabase.projects import Project
    from lamina.testing.servers.supabase.rest.catalogue import Function, Schema

_READS: Final = ("GET", "HEAD")
_TABLES: Final = {
    "GET": reads.read,
    "HEAD": reads.read,
    "POST": inserts.insert,
    "PUT": inserts.put,
    "PATCH": changes.update,
    "DELETE": changes.delete,
}


async def answer(project: Project, call: Call, options: Options) -> Answer:
    """Answer a call; never raises for what a caller or the database does wrong."""
    try:
        return await _answer(project, call, options)
    except Refused as refused:
        return refusing(refused)
    except RecursionError:
        return refusing(Refused(400, "PGRST100", "too deeply nested"))


def refusing(refused: Refused) -> Answer:
    """Return the answer that tells *refused*."""
    headers = {"Content-Type": "application/json; charset=utf-8", **refused.headers}
    return Answer(refused.status, refused.body(), headers)


async def _answer(project: Project, call: Call, options: Options) -> Answer:
    try:
        async with project.connections.one() as connection:
            return await _within(project, connection, call, options)
    except TooBusy as error:
        raise refusal.pool_exhausted() from error
    except Down as error:
        raise refusal.unreachable() from error
    except asyncpg.PostgresConnectionError as error:
        told = error.__cause__  # what the server said before it hung up
        if isinstance(told, asyncpg.PostgresError) and told.sqlstate:
            raise refusal_of(told, known=call.caller.known) from error
        raise refusal.connection_lost(str(error)) from error
    except asyncpg.PostgresError as error:
        raise refusal_of(error, known=call.caller.known) from error
    except (OSError, asyncpg.InterfaceError) as error:
        raise refusal.connection_lost(str(error)) from error


async def _within(project: Project, connection: Connection, call: Call, options: Options) -> Answer:
    transaction = connection.bare.transaction(readonly=call.method in _READS)
    await transaction.start()
    try:
        schema = await _become(project, connection, call)
        work = _work(connection.bare, schema, call, options)
        await _at_home(work)
        found = await _carry_out(work)
        if len(schema.exposed) > 1:
            found.headers["Content-Profile"] = work.within
        if work.prefer.get("tx") == "rollback":
            await transaction.rollback()
        else:
            await transaction.commit()
        return found
    except Exception:
        if not connection.bare.is_closed() and connection.bare.is_in_transaction():
            await transaction.rollback()
        raise


async def _become(project: Project, connection: Connection, call: Call) -> Schema:
    headers = json.dumps({name.lower(): value for name, value in call.headers.items()})
    role, told = call.caller.role, call.caller.told()
    path = f"{quoting.name(_profile(call) or project.catalogue.first)}, public, extensions"
    changes_, settings = await connection.become(
        role, told, call.method, f"/{call.path}", headers, path
    )
    schema = await project.catalogue.schema(connection.bare, changes_)
    await _apply(connection.bare, settings)
    return schema


def _profile(call: Call) -> str:
    return call.header("Accept-Profile" if call.method in _READS else "Content-Profile")


async def _apply(bare: asyncpg.Connection[Any], settings: list[str] | tuple[str, ...]) -> None:
    for each in settings:
        name, _, value = each.partition("=")
        if name != "search_path":
            await bare.execute("SELECT set_config($1, $2, true)", name, value)


def _work(bare: asyncpg.Connection[Any], schema: Schema, call: Call, options: Options) -> Work:
    within = _profile(call) or schema.exposed[0]
    if within not in schema.exposed:
        message = f"The schema must be one of the following: {', '.join(schema.exposed)}"
        raise Refused(406, "PGRST106", message)
    parts = call.path.split("/")
    rpc = parts[0] == "rpc" and len(parts) == 2
    if len(parts) > 1 and not rpc:
        raise refusal.nothing_there()
    question = asked(call.query, call=rpc and call.method in _READS)
    prefer = preferences(call.prefer)
    if aggregates(question.chosen) and not options.aggregates:
        raise Refused(400, "PGRST123", "Use of aggregate functions is not allowed")
    form = plan(call.header("Accept")) if options.plans else None
    form = form or media("*/*" if rpc else call.header("Accept"))
    return Work(call, bare, schema, within, parts[-1], question, prefer, form, options.max_rows)


async def _at_home(work: Work) -> None:
    """Show times as in the zone that is preferred, if there is one such."""
    zone = work.prefer.get("timezone")
    if zone is None:
        return
    query = "SELECT set_config('timezone', name, true) FROM pg_timezone_names WHERE name = $1"
    if await work.bare.fetchval(query, zone) is None:
        work.prefer.refuse(f"timezone={zone}")
        del work.prefer.given["timezone"]


async def _carry_out(work: Work) -> Answer:
    if not work.call.path:
        return about(work)
    if not work.call.path.startswith("rpc/"):
        run = _TABLES.get(work.call.method)
        if run is None:
            message = f"Unsupported HTTP method: {work.call.method}"
            raise Refused(405, "PGRST117", message)
        return await run(work)
    if work.call.method not in {"POST", *_READS}:
        message = f"Cannot use the {work.call.method} method on RPC"
        raise Refused(405, "PGRST101", message)
    given = calls.arguments(work)
    kind = None
    if work.call.method == "POST":
        kind = work.call.header("Content-Type").partition(";")[0].strip().lower()
    function, whole = choose(work.schema, work.within, work.name, {*given}, kind=kind)
    await _apply(work.bare, _hoisted(function))
    return await calls.call(work, function, None if whole else given)


def _hoisted(function: Function) -> list[str]:
    """Return the settings of a function that count from before its call."""
    names = ("statement_timeout", "plan_filter.statement_cost_limit")
    return [each for each in function.settings if each.partition("=")[0] in names]
