"""The files under a folder, in a fixed order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from lamina.bot.ingest.extract import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

SKIPPED_FOLDERS: Final = frozenset({"__pycache__", "node_modules"})


@final
@dataclass(slots=True)
class Walked:
    """The files found, sorted; how many were hidden; and folders that could not be read."""

    files: list[Path] = field(default_factory=list[Path])
    hidden: int = 0
    unreadable: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])


def walk(root: Path) -> Walked:
    """Find the files under *root*, or *root* itself; each file once, whatever links to it.

    What begins with a dot is counted and left out, unless *root* itself does.

    Raises:
        Unreadable: There is no such file or folder.
    """
    if not root.exists():
        msg = "no such file or folder"
        raise Unreadable(msg)
    walked = Walked()
    if root.is_file():
        walked.files.append(root)
        return walked
    folders: set[str] = set()
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real not in folders:  # else a link back, or a second way to the same place
            folders.add(real)
            waiting.extend(_enter(folder, walked, seen))
    walked.files.sort(key=os.fsencode)
    return walked


def _enter(folder: Path, walked: Walked, seen: set[str]) -> list[Path]:
    """Take the files of one folder; return the folders in it, the first of them last."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        walked.unreadable.append((folder, (error.strerror or "not readable").lower()))
        return []
    inside: list[Path] = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS:
            walked.hidden += 1
        elif _is(entry, os.DirEntry[str].is_dir):
            inside.append(Path(entry.path))
        elif _is(entry, os.DirEntry[str].is_file):
            real = os.path.realpath(entry.path)
            if real not in seen:
                seen.add(real)
                walked.files.append(Path(entry.path))
    return inside[::-1]


def _is(entry: os.DirEntry[str], kind: Callable[[os.DirEntry[str]], bool]) -> bool:
    try:
        return kind(entry)
    except OSError:  # a link that leads to itself
        return False
