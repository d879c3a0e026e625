"""Run servers in the foreground, until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING, Final, NoReturn, final

from lamina.testing.dev.options import made
from lamina.testing.dev.records import Record
from lamina.testing.servers import ServerFailed, Servers

if TYPE_CHECKING:
    from collections.abc import Generator

    from lamina.testing.dev.options import Options
    from lamina.testing.servers import Server

_LOOK_EVERY: Final = 0.25
"""Seconds."""


def serve(options: Options, *, as_json: bool) -> int:
    """Start what *options* say, print how to use it, and run until Ctrl-C; return the exit code.

    Only the environment goes to standard output, so that it can be kept in a file.

    Raises:
        ServerFailed: One cannot start, or runs already.
    """
    options.check()
    servers = made(options)
    claimed = [Record(options.home, name) for name in servers]
    together = Servers(*servers.values())
    with _ended_like_ctrl_c():
        try:
            for record in claimed:
                record.claim()
            _start(together, servers)
            for record in claimed:
                record.write(servers[record.name])
            _show(together.environment(), as_json=as_json)
            _say(f"running until Ctrl-C; {_where(options)}")
            _Watch(servers).run()
        except KeyboardInterrupt:
            _say("stopping")
            return 0
        finally:
            together.stop()
            for record in claimed:
                record.drop()


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Generator[None]:
    """Let a closed terminal, or a polite kill, end the servers as Ctrl-C does."""
    changed = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _start(together: Servers, servers: dict[str, Server]) -> None:
    began = time.monotonic()
    names = {server: name for name, server in servers.items()}
    _say(f"starting {', '.join(servers)}")

    def tell(server: Server) -> None:
        _say(f"  {names[server]}: {server.url} ({time.monotonic() - began:.1f} s)")

    try:
        together.start(tell)
    except ServerFailed as failed:
        if failed.log:
            _say(failed.log)
        raise ServerFailed(failed.why) from None


def _show(environment: dict[str, str], *, as_json: bool) -> None:
    sys.stdout.write(shown(environment, as_json=as_json))
    sys.stdout.flush()


def shown(environment: dict[str, str], *, as_json: bool) -> str:
    """Return the variables as a shell or another program reads them."""
    if as_json:
        return json.dumps(environment, indent=2) + "\n"
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


def _where(options: Options) -> str:
    if options.data is None:
        return "their data is temporary (--data FOLDER keeps it)"
    return "their data is kept"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@final
class _Watch:
    """Tell when a server ends or comes back."""

    def __init__(self, servers: dict[str, Server]) -> None:
        self._servers = servers
        self._known = dict.fromkeys(servers, "running")

    def run(self) -> NoReturn:
        """Look until the user ends it."""
        while True:
            for name, server in self._servers.items():
                state = server.state
                if state != self._known[name]:
                    self._known[name] = state
                    _say(f"{name} is {state}")
            time.sleep(_LOOK_EVERY)  # a process of its own, which only looks
