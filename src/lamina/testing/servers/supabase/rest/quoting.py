"""Names and values inside SQL.

A value goes in as a literal of no type yet, as PostgREST's parameters do, so that PostgreSQL gives
it the type of what it is compared with, and refuses it in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable


def name(text: str) -> str:
    """Quote an identifier."""
    _check(text)
    return '"' + text.replace('"', '""') + '"'


def names(*parts: str) -> str:
    """Quote a qualified identifier."""
    return ".".join(map(name, parts))


def value(text: str) -> str:
    """Quote a literal; what is in it stays in it, whatever the server's settings."""
    _check(text)
    quoted = "'" + text.replace("'", "''") + "'"
    return f"E{quoted}".replace("\\", "\\\\") if "\\" in text else quoted


def array(values: Iterable[str]) -> str:
    """Quote the literal of an array of texts."""
    quoted = ('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values)
    return value("{" + ",".join(quoted) + "}")


def _check(text: str) -> None:
    if "\0" in text:
        raise Refused(400, "22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused(400, "22021", 'invalid byte sequence for encoding "UTF8"') from error
