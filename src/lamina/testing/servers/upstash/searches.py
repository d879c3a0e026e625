"""Endpoints that find the nearest: query and query-data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.servers.upstash.reading import Fields, objects
from lamina.testing.servers.upstash.searching import nearest, question

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked


def query(asked: Asked) -> str:
    """Answer queries by vectors."""
    return _answers(asked, embeds=False)


def query_data(asked: Asked) -> str:
    """Answer queries by texts."""
    return _answers(asked, embeds=True)


def _answers(asked: Asked, *, embeds: bool) -> str:
    """Return one list for one query, be it alone or in an array, and a list of lists for more."""
    answers = [_answer(asked, fields, embeds=embeds) for fields in objects(asked.body)]
    return answers[0] if len(answers) == 1 else f"[{','.join(answers)}]"


def _answer(asked: Asked, fields: Fields, *, embeds: bool) -> str:
    wanted = question(asked, fields, embeds=embeds)
    space = asked.found
    if space is None:
        return "[]"
    hits = nearest(asked, space, wanted, wanted.top_k)
    shown = space.seen.shown
    return f"[{','.join(shown[hit.id].text(wanted.include, hit.score) for hit in hits)}]"
