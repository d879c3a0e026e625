"""Lines in, text out; what a terminal would obey is taken out of what it is shown."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from typing import TextIO

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of a line that are kept; the rest of a longer one is dropped."""

_SEQUENCE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # moves, colours
    r"|[\x1b\x9d][\]PX^_]?[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]"
)


def clean(text: str) -> str:
    """Return *text* without terminal sequences, control characters and marks of direction.

    Tabs and line ends stay. Lone surrogates, as from bytes that are no UTF-8, become ``?``.
    """
    text = text.replace("\r\n", "\n").replace("\x0c", "\n")
    text = _CONTROL.sub("", _SEQUENCE.sub("", text))
    return text.encode("utf-8", "replace").decode()


@final
class Terminal:
    """Where the bot reads and writes; *interactive* when a person types."""

    def __init__(self, source: TextIO | None = None, out: TextIO | None = None) -> None:
        self._fd = _descriptor(source or sys.stdin)
        self._out = out or sys.stdout
        self.interactive = os.isatty(self._fd)
        self.shows_progress = self.interactive and self._out.isatty()
        self._buffer = b""
        self._ended = False

    def say(self, text: str = "") -> None:
        """Write *text*, cleaned, and a line end.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        self._write(clean(text) + "\n")

    async def line(self, prompt: str) -> str | None:
        """Return the next line, None at the end; *prompt* is shown to a person only.

        Bytes that are no UTF-8 come as lone surrogates, so that a path keeps them.
        """
        if self.interactive:
            self._write(prompt)
        while b"\n" not in self._buffer and not self._ended:
            data = await self._read()
            self._ended = not data
            self._buffer += data
            if b"\n" not in data and len(self._buffer) > LONGEST_LINE:
                self._buffer = self._buffer[:LONGEST_LINE]
        if not self._buffer and self._ended:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line[:LONGEST_LINE].rstrip(b"\r").decode("utf-8", "surrogateescape")

    async def agrees(self, question: str) -> bool:
        """Ask a person; anything but yes is no. From a pipe, who says it means it."""
        if not self.interactive:
            return True
        said = await self.line(f"{clean(question)} [y/N] ")
        return (said or "").strip().casefold() in {"y", "yes"}

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    async def _read(self) -> bytes:
        """Return what can be read now; none at the end, or when the terminal is gone."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(self._fd, _wake, ready)
        except (NotImplementedError, OSError):  # a file, or a loop that cannot watch: never waits
            return await asyncio.to_thread(os.read, self._fd, 65536)
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)
        try:
            return os.read(self._fd, 65536)
        except OSError:
            return b""


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _descriptor(source: TextIO | None) -> int:
    try:
        return source.fileno() if source is not None else os.open(os.devnull, os.O_RDONLY)
    except (OSError, ValueError):  # closed
        return os.open(os.devnull, os.O_RDONLY)
