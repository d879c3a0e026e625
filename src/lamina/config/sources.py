"""The places that settings come from: a file and the environment."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.config.options import Told
from lamina.config.problems import nearest, quoted
from lamina.config.registry import BACKENDS
from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.config.problems import Problems

MOST: Final = 1024 * 1024
"""Bytes of the largest file that is read."""

_PREFIX: Final = "LAMINA_"
_PLAIN: Final = ("preset", "home", "connect_timeout", "index_messages", "cache_bytes")
_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")


def find_file(path: str | Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: *path*, ``$LAMINA_CONFIG``, or ``lamina.toml`` if it is there.

    Raises:
        StackError: It is no path.
    """
    named = path if path not in (None, "") else environ.get("LAMINA_CONFIG")
    if named not in (None, ""):
        return _path(named, "path: must be that of a file")
    here = Path("lamina.toml")
    return here if here.exists() else None


def read_file(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        StackError: Says what is wrong, and for bad syntax in which line and column.
    """
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = str(error)
        at = _AT.search(told)
        what = told[: at.start()] if at else told
        last = text.splitlines()[-1]
        place = (at[1], at[2]) if at and at[1] else (text.count("\n") + 1, len(last) + 1)
        msg = f"{path}:{place[0]}:{place[1]}: not TOML: {what[:1].lower()}{what[1:]}"
        raise StackError(msg) from None  # its text may hold a value
    except RecursionError:
        msg = f"{path}: not TOML: nested too deeply"
        raise StackError(msg) from None
    except ValueError as error:  # of int()
        msg = f"{path}: not TOML: a number is too long"
        raise StackError(msg) from error


def read_environment(environ: Mapping[str, str], problems: Problems) -> dict[str, Any]:
    """Return the settings among the variables: ``LAMINA_DOCUMENTS__CACHE__TTL=30``.

    Empty variables are as good as unset; those without ``__`` that are none of ours are left
    alone.
    """
    tree: dict[str, Any] = {}
    for name, value in sorted(environ.items()):
        steps = name.removeprefix(_PREFIX).lower().split("__")
        if (
            not name.startswith(_PREFIX)
            or not value
            or (len(steps) == 1 and steps[0] not in _PLAIN)
        ):
            continue
        if len(steps) > 1 and steps[0] not in BACKENDS:
            known = nearest(steps[0], BACKENDS)
            problems.add(f"environment {name}", f"unknown section {quoted(steps[0])}; {known}")
            continue
        table = _table(tree, steps[:-1])
        if table is None or not all(steps):
            problems.add(f"environment {name}", "names no setting: another variable ends before it")
            continue
        table[steps[-1]] = Told(value)
    return tree


def _table(tree: dict[str, Any], steps: list[str]) -> dict[str, Any] | None:
    for step in steps:
        inner = tree.setdefault(step, {})
        if not isinstance(inner, dict):
            return None
        tree = cast("dict[str, Any]", inner)
    return tree


def variable(path: tuple[str, ...]) -> str:
    """Return the variable that sets the key at *path*."""
    return _PREFIX + "__".join(path).upper()


def data_home(
    home: str | Path | None, told: str | None, where: str, environ: Mapping[str, str]
) -> Path:
    """Return the folder for data: *home*, *told* by settings *where*, or the desktop's standard.

    Raises:
        StackError: It is no path.
    """
    if home not in (None, ""):
        return _path(home, "home: must be that of a folder")
    if told:
        return _path(told, f"{where}: must be that of a folder")
    data = environ.get("XDG_DATA_HOME", "")
    if data and Path(data).is_absolute():
        return Path(data) / "lamina"
    user = environ.get("HOME")
    return (Path(user) if user else Path.home()) / ".local" / "share" / "lamina"


def _path(named: object, what: str) -> Path:
    if not isinstance(named, str | Path):
        msg = f"{what}, got {type(named).__name__}"
        raise StackError(msg)
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        msg = f"{what}, it begins with '~' and there is no such home"
        raise StackError(msg) from error


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            msg = f"{path}: is a directory, a TOML file was expected"
            raise StackError(msg)
        size = path.stat().st_size
        if size > MOST:
            msg = f"{path}: has {size} bytes, at most {MOST} are read"
            raise StackError(msg)
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except StackError:
        raise
    except FileNotFoundError as error:
        msg = f"{path}: does not exist"
        raise StackError(msg) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        msg = f"{quoted(str(path))}: cannot be read: {reason}"
        raise StackError(msg) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: is not UTF-8, at byte {error.start}"
        raise StackError(msg) from None  # the error holds the file's content
    if not text.strip():
        msg = f"{path}: is empty; name a preset in it, or remove it"
        raise StackError(msg)
    return text
