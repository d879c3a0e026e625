"""How things look in the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from lamina.errors import LaminaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.bot.answer.answer import Answer
    from lamina.bot.answer.passage import Passage
    from lamina.bot.ingest.ingest import Report

_FAILURES = 20


def plural(count: int, noun: str) -> str:
    """Return the count with its noun: ``1 file``, ``2 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def failure(error: Exception) -> str:
    """Return an error in one line, notes included."""
    notes: Iterable[str] = getattr(error, "__notes__", ())
    if isinstance(error, OSError) and not isinstance(error, LaminaError):
        text = (error.strerror or type(error).__name__).lower()
    else:
        text = str(error) or type(error).__name__
    return " ".join("; ".join((text, *notes)).split())


def answer(found: Answer, *notices: str) -> str:
    """Return an answer with its sources and scores."""
    lines = [found.text, ""]
    if found.sources:
        lines.append("Sources:")
        lines.extend(sources(found.sources))
        lines.append("")
    lines.extend(f"({notice})" for notice in (*notices, *found.notices))
    return "\n".join(lines)


def sources(found: Sequence[Passage]) -> list[str]:
    """Return a line for each passage: its file, its heading, its two scores."""
    return [
        f"  [{number}] {one.shown}{_at(one.heading)}  "
        f"(meaning {one.meaning:.2f}, words {one.words:.2f})"
        for number, one in enumerate(found, start=1)
    ]


def passages(found: Sequence[Passage], notices: Iterable[str] = ()) -> str:
    """Return passages as a list, with how each begins."""
    lines: list[str] = []
    for one, line in zip(found, sources(found), strict=True):
        begins = textwrap.shorten(one.text, 200, placeholder=" ...")
        lines.extend((line, textwrap.indent(textwrap.fill(begins, 88), "      ")))
    lines.extend(f"({notice})" for notice in notices)
    return "\n".join(lines) if lines else "nothing found"


def messages(said: Sequence[Mapping[str, Any]], total: int) -> str:
    """Return messages as they were said, long ones shortened."""
    if not said:
        return "nothing was said yet"
    lines: list[str] = [f"{len(said)} of {plural(total, 'message')}:"]
    for one in said:
        who = "you" if one.get("role") == "user" else "bot"
        text = textwrap.shorten(str(one.get("content")), 300, placeholder=" ...")
        lines.append(f"  {who}> {text}")
    return "\n".join(lines)


def report(done: Report) -> str:
    """Return what became of the files, in one line, and a line for each that needs a word."""
    counts = (
        (done.added, "added"),
        (done.changed, "changed"),
        (done.unchanged, "unchanged"),
        (done.gone, "gone"),
        (done.hidden, "hidden ones left out"),
        (done.binary, "binary ones left out"),
        (done.empty, "empty"),
        (len(done.failed), "not readable"),
    )
    told = [f"{count:,} {what}" for count, what in counts if count]
    files = ", ".join(told) or "no files there"
    chunks = f" ({plural(done.chunks, 'chunk')} stored)" if done.chunks else ""
    lines = [files + chunks]
    lines.extend(f"  {path}: {why}" for path, why in (*done.failed, *done.notices)[:_FAILURES])
    more = len(done.failed) + len(done.notices) - _FAILURES
    if more > 0:
        lines.append(f"  and {more} more")
    return "\n".join(lines)


def _at(heading: str) -> str:
    return f", {heading}" if heading else ""
