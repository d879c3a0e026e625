"""Run the server in the foreground until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.upstash.options import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.testing.servers.upstash.options import Options

_LAST_WORDS: Final = 1.0  # seconds that requests under way get at the end


def main(argv: Sequence[str]) -> int:
    """Serve as *argv* says (without a program's name) until SIGINT or SIGTERM.

    Returns 0, or 1 if it cannot listen there.
    """
    options = parse(argv)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        place = f"{options.host}:{options.port}"
        print(f"cannot listen on {place}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(options: Options) -> None:
    from aiohttp import web

    from lamina.testing.servers.upstash.app import Server

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server = Server(options)
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=_LAST_WORDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        port = runner.addresses[0][1]
        print(f"upstash vector on http://{options.host}:{port}", flush=True)  # noqa: T201
        await stop.wait()
    finally:
        await runner.cleanup()
        server.state.work.close()
