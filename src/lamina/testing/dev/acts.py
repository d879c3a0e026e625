"""Act on servers that run, from another shell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from lamina.testing.dev.foreground import shown
from lamina.testing.dev.options import Options, known, made
from lamina.testing.dev.records import Record, records
from lamina.testing.servers import ServerFailed

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.testing.servers import Server

ACTS: Final = {"kill": "down", "pause": "paused", "resume": "running", "restart": "running"}
"""What can be done to a server, and what it is then."""


def act(home: Path, what: str, name: str) -> int:
    """Do *what* to the server of that name; return the exit code.

    Raises:
        ServerFailed: There is no such server, or it does not run.
    """
    server = joined(Record(home, known(name)))
    try:
        getattr(server, what)()
        sys.stdout.write(f"{name} is {ACTS[what]}\n")
    except ServerFailed as failed:
        again = "" if what == "restart" else f": lamina dev --restart {name}"
        msg = f"{failed.why.replace(server.name, name, 1)}{again}"
        raise ServerFailed(msg) from None
    finally:
        server.stop()
    return 0


def joined(record: Record) -> Server:
    """Return the running server of a record; `stop` lets it run on.

    Raises:
        ServerFailed: It does not run.
    """
    told = record.read()
    if told is None:
        msg = f"{record.name} is not running: lamina dev {record.name}"
        raise ServerFailed(msg)
    server = made(Options(home=record.home, name=record.name))[record.name]
    try:
        return server.join(told)
    except ServerFailed as gone:
        record.forget()
        msg = f"{record.name} is not running any more: lamina dev {record.name}"
        raise ServerFailed(msg) from gone


def status(home: Path, *, as_json: bool) -> int:
    """Show each server that runs, or what to set to use them; return the exit code."""
    rows: dict[str, dict[str, object]] = {}
    environment: dict[str, str] = {}
    for record in records(home):
        told = record.read()
        try:
            server = joined(record)
        except ServerFailed:
            continue
        try:
            rows[record.name] = {"state": server.state, "url": server.url}
        finally:
            server.stop()
        environment |= (told or {}).get("environment", {})
    if as_json:
        sys.stdout.write(json.dumps({"servers": rows, "environment": environment}, indent=2) + "\n")
    elif not rows:
        sys.stdout.write("nothing is running: lamina dev\n")
    else:
        for name, row in rows.items():
            sys.stdout.write(f"{name:<10} {row['state']:<7} {row['url']}\n")
        sys.stdout.write("\n" + shown(environment, as_json=False))
    return 0
