"""Cut a text into pieces of a size that a search can rank and an answer can quote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from lamina.bot.ingest.blocks import blocks
from lamina.bot.ingest.pieces import pieces, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED: Final = 1000
"""Characters that a chunk should have."""
MOST: Final = 1200
"""Characters that a chunk may have, without its context line."""


@final
@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file.

    Attributes:
        id: The same for the same piece of the same file, at any time.
        text: The piece itself.
        heading: The headings above it, outermost first, joined by `` > ``; may be empty.
        name: The file's name.
        position: Its place in the file, from 0.
    """

    id: str
    text: str
    heading: str
    name: str
    position: int

    @property
    def content(self) -> str:
        """What is stored and searched: a line that says where the piece stands, and the piece."""
        return f"{context(self.name, self.heading)}\n\n{self.text}"


def context(name: str, heading: str) -> str:
    """Return the line that says where a piece stands."""
    return f"{name}: {heading}" if heading else name


def chunk(text: str, *, source: str, name: str, markdown: bool) -> tuple[Chunk, ...]:
    """Cut *text* at headings and paragraphs into pieces of about 1,000 characters, 1,200 at most.

    A code block stays whole if it fits. A piece that continues a section begins with the last
    sentence of the piece before it. *source* names the file in the ids.
    """
    made: list[Chunk] = []
    seen: dict[str, int] = {}
    for heading, body in _sections(text, markdown=markdown):
        for piece in _packed(body):
            what = f"{source}\0{heading}\0{piece}"
            again = seen[what] = seen.get(what, 0) + 1
            id_ = hashlib.sha256(f"{what}\0{again}".encode()).hexdigest()[:40]
            made.append(Chunk(id_, piece, heading, name, len(made)))
    return tuple(made)


def _sections(text: str, *, markdown: bool) -> Iterator[tuple[str, list[str]]]:
    """Give each section's path of headings and its parts; a heading over nothing is a part too."""
    path: list[tuple[int, str]] = []
    body: list[str] = []
    for block in blocks(text, markdown=markdown):
        if block.kind != "heading":
            body.extend(pieces(block, MOST))
            continue
        if body or (path and path[-1][1] and path[-1][0] >= block.level):
            yield _joined(path), body or [path[-1][1]]
            body = []
        path = [(level, title) for level, title in path if level < block.level]
        path.append((block.level, block.text))
    if body or (path and path[-1][1]):
        yield _joined(path), body or [path[-1][1]]


def _joined(path: list[tuple[int, str]]) -> str:
    return " > ".join(title for _, title in path if title)


def _packed(body: list[str]) -> Iterator[str]:
    """Join parts until a piece has the wanted size, with a little overlap between pieces."""
    held: list[str] = []
    size = 0
    for part in body:
        if held and (size + len(part) + 2 > MOST or size >= WANTED):
            yield "\n\n".join(held)
            over = tail(held[-1])
            held = [over] if over and len(over) + len(part) + 2 <= MOST else []
            size = sum(map(len, held))
        held.append(part)
        size += len(part) + 2
    if held:
        yield "\n\n".join(held)
