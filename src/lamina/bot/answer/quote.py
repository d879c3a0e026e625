"""The part of a passage that answers best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.bot.answer.words import keywords, stem, words
from lamina.bot.ingest.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 900
"""Characters of a quotation."""


def quote(text: str, question: str, *, most: int = MOST) -> str:
    """Return *text*, or the paragraphs around the one that has most of the question's words."""
    if len(text) <= most:
        return text.strip()
    parts = [block.text for block in blocks(text, markdown=True)]
    asked = {stem(word) for word in keywords(question)}
    best = max(range(len(parts)), key=lambda place: (_hits(parts[place], asked), -place))
    first, last = _around(parts, best, most)
    said = "\n\n".join(parts[first:last])
    if len(said) > most:
        said = said[:most].rsplit(" ", 1)[0] + " ..."
    before, after = ("...\n\n" if first else ""), ("\n\n..." if last < len(parts) else "")
    return f"{before}{said}{after}"


def _hits(part: str, asked: set[str]) -> int:
    return len(asked.intersection(words(part)))


def _around(parts: Sequence[str], best: int, most: int) -> tuple[int, int]:
    """Widen from *best*, what follows first, as far as *most* allows."""
    first, last = best, best + 1
    size = len(parts[best])
    while True:
        if last < len(parts) and size + len(parts[last]) + 2 <= most:
            size += len(parts[last]) + 2
            last += 1
        elif first and size + len(parts[first - 1]) + 2 <= most:
            size += len(parts[first - 1]) + 2
            first -= 1
        else:
            return first, last
