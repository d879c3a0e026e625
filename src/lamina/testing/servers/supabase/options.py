"""What the server is started with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that the command line sets; see `parse`."""

    port: int
    jwt_secret: str
    host: str = "127.0.0.1"
    database: str | None = None
    sql: tuple[Path, ...] = ()
    storage: Path | None = None
    schemas: tuple[str, ...] = ()
    max_rows: int | None = None
    aggregates: bool = False
    plans: bool = False
    connections: int = 10
    acquire_timeout: float = 10.0
    file_size_limit: int = 50 * 1024 * 1024


def parse(argv: Sequence[str]) -> Options:
    """Return the options of a command line; exits with 2 and a usage if there is none such."""
    given = vars(_parser().parse_args(argv))
    given["sql"] = tuple(Path(name) for name in given["sql"])
    given["schemas"] = tuple(name for name in given["schemas"].split(",") if name)
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("supabase", description="Serve a local Supabase.")
    add = parser.add_argument
    add("--port", type=int, required=True, help="TCP port; 0 takes a free one")
    add("--jwt-secret", required=True, help="what tokens are signed with, by HS256")
    add("--host", default="127.0.0.1")
    add("--database", help="DSN of a superuser; without it, a PostgreSQL is started")
    add("--sql", nargs="+", action="extend", default=[], help="files to run first")
    add("--storage", type=Path, help="a folder for objects; without it, a temporary one")
    add("--schemas", default="", help="served schemas, by commas; public and all of your own")
    add("--max-rows", type=int, help="the most rows that one answer may have")
    add("--aggregates", action="store_true", help="let callers ask for sums, counts and the like")
    add("--plans", action="store_true", help="let callers see how a call would be carried out")
    add("--connections", type=int, default=10, help="to the database, in each project")
    add("--acquire-timeout", type=float, default=10.0, help="seconds to wait for one of them")
    add("--file-size-limit", type=int, default=50 * 1024 * 1024, help="bytes of an object")
    return parser
