"""Endpoints that find the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Invalid
from lamina.testing.servers.upstash.reading import Fields, objects
from lamina.testing.servers.upstash.refusals import Refused, wrong_input

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked


def query(asked: Asked) -> str:
    """Return the nearest for one query, or a list of such lists for several."""
    answers = [_nearest(asked, fields) for fields in objects(asked.body)]
    return answers[0] if len(answers) == 1 else f"[{','.join(answers)}]"


def _nearest(asked: Asked, fields: Fields) -> str:
    vector, sparse = fields.vector(), fields.sparse()
    top_k = fields.count("topK", 10)
    if top_k < 1:
        raise wrong_input()
    space = asked.found
    if vector is not None:
        asked.index.expect(vector.dimension)
    if space is None:
        return "[]"
    space.seen.follow(asked.now)
    try:
        hits = space.seen.index.search(vector, sparse, top_k)
    except Invalid as error:
        raise Refused(422, str(error).capitalize()) from error
    include, shown = fields.include(), space.seen.shown
    return f"[{','.join(shown[hit.id].text(include, hit.score) for hit in hits)}]"
