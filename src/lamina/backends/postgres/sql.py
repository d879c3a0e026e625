"""The SQL that makes Lamina's tables in a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from lamina.backends.postgres.schema import check_schema, in_schema


def migration(schema: str = "lamina") -> str:
    """Return the script of all tables, for where Lamina may not make them; it may be run again.

    Raises:
        StackError: *schema* is no name of one.
    """
    check_schema(schema)
    scripts = sorted(Path(__file__).parent.glob("*.sql"))
    text = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    return in_schema(text, schema)
