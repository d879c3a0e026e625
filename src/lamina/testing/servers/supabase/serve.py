"""Run the server in the foreground until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.connections import Down
from lamina.testing.servers.supabase.options import parse
from lamina.testing.servers.supabase.scripts import ScriptFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.testing.servers.supabase.options import Options

_LONGEST: Final = 50 * 1024
"""How long a line of a call may be, in bytes, as in the real server."""


def main(argv: Sequence[str]) -> int:
    """Serve as *argv* says (without a program's name) until SIGINT or SIGTERM; return 0.

    What keeps it from starting is told in one line, and 1 is returned.
    """
    options = parse(argv)
    with contextlib.ExitStack() as stack:
        if options.database is None:
            from lamina.testing.servers.postgres import Postgres

            options = replace(options, database=stack.enter_context(Postgres()).dsn)
        try:
            asyncio.run(_serve(options))
        except (ScriptFailed, Down, OSError) as error:
            print(f"supabase: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return 1
    return 0


async def _serve(options: Options) -> None:
    from aiohttp import web

    from lamina.testing.servers.supabase.app import Server

    server = Server(options)
    await server.open()
    runner = web.AppRunner(
        server.app(),
        access_log=None,
        shutdown_timeout=0.5,
        max_line_size=_LONGEST,
        max_field_size=_LONGEST,
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, options.host, options.port).start()
        port = runner.addresses[0][1]
        print(f"supabase on http://{options.host}:{port}", flush=True)  # noqa: T201
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()
        await server.close()
