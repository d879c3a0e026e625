"""What can be printed without settings: what backends declare, and the SQL that services need."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_BACKENDS: Final = """\
examples:
  lamina backends
  lamina backends --json
  lamina backends --failures

The tables are Markdown. Each extra must be installed: pip install 'lamina[all]'.
"""
_SQL: Final = """\
examples:
  lamina sql supabase                 for the project's SQL editor
  lamina sql postgres | psql "$DATABASE_URL"

Both may be run again. PostgreSQL needs it only where Lamina may not make tables (create = false).
"""


def add_commands(
    add: Callable[
        [str, str, Callable[[argparse.Namespace], int], str],
        argparse.ArgumentParser,
    ],
) -> None:
    """Add the commands ``backends`` and ``sql``; *add* makes one by name, help, run, examples."""
    backends = add("backends", "show what each backend serves and refuses", _backends, _BACKENDS)
    backends.add_argument("--json", action="store_true", help="as JSON")
    backends.add_argument(
        "--failures", action="store_true", help="what the failures of each become, instead"
    )
    sql = add("sql", "print the SQL that makes a service's tables", _sql, _SQL)
    sql.add_argument("service", choices=("supabase", "postgres"))
    sql.add_argument("--schema", help="where the tables are (supabase: public, postgres: lamina)")


def _backends(args: argparse.Namespace) -> int:
    from lamina.config.declared import declarations, failures, markdown

    if args.failures:
        print(failures())
    elif args.json:
        print(json.dumps([asdict(one) for one in declarations()], indent=2))
    else:
        print(markdown(declarations()))
    return 0


def _sql(args: argparse.Namespace) -> int:
    from lamina.backends.postgres.sql import migration as tables
    from lamina.backends.supabase.sql import migration as project

    if args.service == "supabase":
        print(project(args.schema or "public"))
    else:
        print(tables(args.schema or "lamina"))
    return 0
