"""The parts of a text: headings, paragraphs, code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_HEADING: Final = 200
"""Characters of a line that may be a heading."""

_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One part of a text; *level* is a heading's, 1 to 6, else 0."""

    kind: Literal["heading", "paragraph", "code"]
    text: str
    level: int = 0


def blocks(text: str, *, markdown: bool) -> Iterator[Block]:
    """Give the parts of *text* in order; only Markdown has headings and code."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            lines.append(line)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield Block("code", "\n".join(lines))
                lines, fence = [], ""
            continue
        if markdown and (opened := _FENCE.match(line)):
            yield from _paragraph(lines)
            lines, fence = [line], opened[1]
            continue
        heading = _heading(line, lines) if markdown else None
        if heading is not None:
            yield from _paragraph([] if heading.level in _underlined(line) else lines)
            yield heading
            lines = []
        elif line.strip():
            lines.append(line.rstrip())
        else:
            yield from _paragraph(lines)
            lines = []
    if fence:
        yield Block("code", "\n".join(lines).rstrip())
    else:
        yield from _paragraph(lines)


def _heading(line: str, before: list[str]) -> Block | None:
    if len(line) > LONGEST_HEADING:
        return None
    if found := _HEADING.match(line):
        return Block("heading", _plain(found[2]), len(found[1]))
    short = len(before) == 1 and len(before[0]) <= LONGEST_HEADING
    if short and (levels := _underlined(line)) and not _is_list(before[0]):
        return Block("heading", _plain(before[0]), levels[0])
    return None


def _underlined(line: str) -> tuple[int, ...]:
    found = _UNDERLINE.match(line)
    return () if found is None else (1 if found[1][0] == "=" else 2,)


def _is_list(line: str) -> bool:
    return line.lstrip().startswith(("- ", "* ", "+ ", "|", ">", "---"))


def _plain(heading: str) -> str:
    """Return a heading without the marks of emphasis, code and links."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[`*]", "", text).strip()


def _paragraph(lines: list[str]) -> Iterator[Block]:
    if lines:
        yield Block("paragraph", "\n".join(lines))
