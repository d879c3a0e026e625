"""The SQL that makes Lamina's tables and functions in a Supabase project."""

from __future__ import annotations

from pathlib import Path

import lamina.backends.postgres
from lamina.backends.postgres.schema import check_schema, in_schema


def migration(schema: str = "public") -> str:
    """Return the script for the project's SQL editor; it may be run again.

    *schema* must be one that the project's API exposes.

    Raises:
        StackError: *schema* is no name of one.
    """
    check_schema(schema)
    here, tables = Path(__file__).parent, Path(lamina.backends.postgres.__file__).parent
    scripts = (tables / "documents.sql", here / "access.sql", here / "storage.sql")
    text = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    return in_schema(text.replace("ON SCHEMA lamina ", f'ON SCHEMA "{schema}" '), schema)
