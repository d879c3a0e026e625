"""Endpoints of queries that are asked for more: start, next, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, final
from uuid import uuid4

from lamina.testing.servers.upstash.reading import Fields
from lamina.testing.servers.upstash.record import dumped
from lamina.testing.servers.upstash.refusals import Refused, wrong_input
from lamina.testing.servers.upstash.searching import nearest, question

if TYPE_CHECKING:
    from lamina.index import Hit
    from lamina.testing.servers.upstash.index import Asked
    from lamina.testing.servers.upstash.namespace import Namespace
    from lamina.testing.servers.upstash.record import Include

_MAX_IDLE = 3600.0


@final
class Resumed:
    """An open query: the whole ranking as it was at the start, and how far it was read."""

    def __init__(self, space: Namespace, hits: list[Hit], include: Include, idle: float) -> None:
        self._space = space
        self._hits = iter(hits)
        self._include = include
        self._idle = idle
        self.ends = 0.0

    def more(self, count: int, now: float) -> str:
        """Return the next *count*, fewer at the end; what was deleted since is passed over."""
        self._space.seen.follow(now)
        self.ends = now + self._idle
        texts: list[str] = []
        while len(texts) < count and (hit := next(self._hits, None)) is not None:
            record = self._space.seen.shown.get(hit.id)
            if record is not None:
                texts.append(record.text(self._include, hit.score))
        return f"[{','.join(texts)}]"


def start(asked: Asked) -> str:
    """Begin with vectors."""
    return _start(asked, embeds=False)


def start_data(asked: Asked) -> str:
    """Begin with a text."""
    return _start(asked, embeds=True)


def more(asked: Asked) -> str:
    """Return what comes next."""
    fields = Fields(asked.body)
    key, count = fields.needed("uuid"), fields.count("additionalK", 0)
    if count < 1:
        raise wrong_input()
    asked.limits.check_count("additionalK", count, "max_read")
    return _open(asked, key).more(count, asked.now)


def end(asked: Asked) -> str:
    """Forget a query."""
    key = Fields(asked.body).needed("uuid")
    _open(asked, key)
    del asked.index.resumed[key]
    return '"Success"'


def _start(asked: Asked, *, embeds: bool) -> str:
    fields = Fields(asked.body)
    wanted = question(asked, fields, embeds=embeds)
    idle = fields.number("maxIdle", _MAX_IDLE)
    space = asked.found
    if space is None:
        return '{"uuid":"","scores":[]}'
    if idle <= 0:
        raise wrong_input()
    _forget_idle(asked)
    if len(asked.index.resumed) >= asked.limits.max_resumable:
        most = asked.limits.max_resumable
        raise Refused(429, f"Exceeded the limit of active resumable queries: {most}")
    space.seen.follow(asked.now)
    hits = nearest(asked, space, wanted, max(wanted.top_k, len(space.seen.shown)))
    query = Resumed(space, hits, wanted.include, idle)
    scores = query.more(wanted.top_k, asked.now)
    key = str(uuid4())
    asked.index.resumed[key] = query
    return f'{{"uuid":{dumped(key)},"scores":{scores}}}'


def _open(asked: Asked, key: str) -> Resumed:
    _forget_idle(asked)
    found = asked.index.resumed.get(key)
    if found is None:
        raise Refused(404, f"Resumable query {key} does not exist")
    return found


def _forget_idle(asked: Asked) -> None:
    for key in [key for key, each in asked.index.resumed.items() if each.ends <= asked.now]:
        del asked.index.resumed[key]
