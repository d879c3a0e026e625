"""How far it is: a bar for a person, a few lines for a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.bot.chat.terminal import Terminal
    from lamina.bot.ingest.ingest import Progress

_SLOW: Final = 512 * 1024


def progress(terminal: Terminal) -> Progress:
    """Return the kind of progress that *terminal* can show."""
    if terminal.shows_progress:
        try:
            return Bar()
        except ImportError:  # rich is an extra
            pass
    return Lines(terminal)


@final
class Lines:
    """A line for each tenth, where there is so much to do that one would wonder."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def start(self, files: int, size: int) -> None:
        """Begin, with so many files of *size* bytes in all."""
        self._size, self._done, self._told = size, 0, 0
        if size >= _SLOW:
            self._terminal.say(f"reading {files} files, {size / 1024 / 1024:.1f} MB")

    def advance(self, path: Path, size: int) -> None:
        """Another *size* bytes are done, of *path*."""
        self._done += size
        tenth = 10 * self._done // max(self._size, 1)
        if self._size >= _SLOW and self._told < tenth < 10:
            self._told = tenth
            self._terminal.say(f"  {tenth}0 %  {path.name}")

    def stop(self) -> None:
        """End, whether all was done or not."""


@final
class Bar:
    """A bar that goes away when all is done."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        name = TextColumn("{task.description}", markup=False)
        columns: tuple[Any, ...] = (name, BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, transient=True)

    def start(self, files: int, size: int) -> None:
        """Begin, with so many files of *size* bytes in all."""
        self._bar.start()
        self._task = self._bar.add_task(f"{files} files", total=size)

    def advance(self, path: Path, size: int) -> None:
        """Another *size* bytes are done, of *path*."""
        from lamina.bot.chat.terminal import clean

        self._bar.update(self._task, advance=size, description=clean(path.name)[:40])

    def stop(self) -> None:
        """End, whether all was done or not."""
        self._bar.stop()
