"""Find the programs that Python packages carry, without importing these packages."""

from __future__ import annotations

import os
import stat
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

from lamina.testing.servers.problems import INSTALL, ServerFailed


def program(package: str, pattern: str, *, install: str = INSTALL) -> Path:
    """Return the program that matches *pattern* inside an installed package.

    Raises:
        ServerFailed: The package is missing, or has no such program for this machine.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(folder).glob(pattern)):
            if os.access(found, os.X_OK):
                return found
    raise _missing(package, install, known=spec is not None)


def script(distribution: str, name: str) -> Path:
    """Return the program *name* that a distribution put beside the interpreter's scripts.

    Raises:
        ServerFailed: The distribution is missing, or has no such program for this machine.
    """
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise _missing(distribution, INSTALL, known=False) from error
    for file in listed:
        found = Path(str(file.locate()))
        if found.stem == name and os.access(found, os.X_OK):
            return found.resolve()
    raise _missing(distribution, INSTALL, known=True)


def check(*packages: str) -> None:
    """Refuse to go on without *packages*.

    Raises:
        ServerFailed: Names the first that is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise _missing(package, INSTALL, known=False)


def reachable(path: Path) -> bool:
    """Tell whether anyone may run *path*: every folder above lets others through."""
    return passable(path) and bool(path.stat().st_mode & stat.S_IXOTH)


def passable(path: Path) -> bool:
    """Tell whether every folder above *path* lets anyone through."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def _missing(package: str, install: str, *, known: bool) -> ServerFailed:
    why = "has no program for this machine" if known else "is not installed"
    return ServerFailed(f"{package} {why}: {install}")
