"""Cut a paragraph or a code block that is too long, where it hurts least."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.bot.ingest.blocks import Block

_SENTENCE: Final = re.compile(
    r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]]*\s+|\n(?=\s*(?:[-*+|>]|\d+[.)])\s?)"
)
_ITEM: Final = re.compile(r"\n(?=\s*(?:[-*+|>]|\d+[.)])\s?)")
_OVERLAP: Final = 160


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph; an item of a list is one too."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def pieces(block: Block, most: int) -> Iterator[str]:
    """Give *block* in parts of at most *most* characters, whole if it fits."""
    if len(block.text) <= most:
        yield block.text
    elif block.kind == "code":
        yield from _code(block.text, most)
    else:
        yield from _filled(_items(block.text, most), "\n", most)


def tail(text: str) -> str:
    """Return the last sentence of *text* if it is short enough to be said twice, else nothing."""
    if text.endswith(("```", "~~~")):
        return ""
    last = sentences(text)[-1:]
    return last[0] if last and len(last[0]) <= _OVERLAP and last[0] != text else ""


def _items(text: str, most: int) -> Iterator[str]:
    """Give the items of a list, or the whole; in sentences where one is too long."""
    for item in _ITEM.split(text):
        if len(item) <= most:
            yield item
        else:
            yield from _filled(_small(sentences(item), most), " ", most)


def _code(text: str, most: int) -> Iterator[str]:
    """Cut a code block between lines; each part is a code block again."""
    first, *lines = text.split("\n")
    mark = first.strip()[: len(first.strip()) - len(first.strip().lstrip("`~"))]
    first = first[:80]
    if lines and lines[-1].strip() == mark:
        lines.pop()
    room = most - len(first) - len(mark) - 2
    for part in _filled(_small(lines, room), "\n", room):
        yield f"{first}\n{part}\n{mark}"


def _small(parts: list[str], most: int) -> Iterator[str]:
    for part in parts:
        if len(part) <= most:
            yield part
            continue
        rest = part
        while len(rest) > most:
            cut = rest.rfind(" ", most // 2, most)
            cut = most if cut < 0 else cut
            yield rest[:cut].rstrip()
            rest = rest[cut:].lstrip()
        if rest:
            yield rest


def _filled(parts: Iterator[str], between: str, most: int) -> Iterator[str]:
    held = ""
    for part in parts:
        joined = f"{held}{between}{part}" if held else part
        if held and len(joined) > most:
            yield held
            joined = part
        held = joined
    if held:
        yield held
