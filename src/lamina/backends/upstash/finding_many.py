"""Find the nearest of many queries: so many in one request, and by themselves those left over."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from lamina.backends.upstash.answers import matches_of
from lamina.backends.upstash.conditions import compiled
from lamina.backends.upstash.failures import FAILURES, reading
from lamina.backends.upstash.finding import MOST
from lamina.backends.upstash.kinds import asked
from lamina.backends.upstash.names import name_of
from lamina.backends.upstash.writing import NUMBERS, untried
from lamina.batches import emulate
from lamina.domains.vectors import NearestMany
from lamina.errors import Invalid, StorageError, Unsupported
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.backends.upstash.client import Client
    from lamina.backends.upstash.finding import Search
    from lamina.backends.upstash.kinds import Facts
    from lamina.domains.vectors import Match, Nearest
    from lamina.runtime import Runtime
    from lamina.values import Outcome

Told: TypeAlias = "dict[int, Outcome[tuple[Match, ...]]]"
"""By the place of the query."""

_RESULTS: Final = MOST  # in one answer, so that reading it is quick
_QUERY: Final = 20
_CHARACTERS: Final = 8  # of a text take about as long as a number


class Item(NamedTuple):
    """A query that the index can answer, and where its outcome belongs."""

    place: int
    op: Nearest
    sent: dict[str, Any]
    weight: int


async def nearest_many(
    client: Client, search: Search, facts: Facts, op: NearestMany, runtime: Runtime
) -> tuple[Outcome[tuple[Match, ...]], ...]:
    """Return what is nearest to each query, in order.

    Texts and vectors go in requests of their own. A query without which the others are answered
    fails alone; once the service fails, what was not sent yet is not tried. Queries whose filter
    the service may have cut off, or cannot tell, go on by themselves, some at once.
    """
    told: Told = {}
    alone: dict[int, Nearest] = {}
    items: list[Item] = []
    for place, query in enumerate(op.singles()):
        try:
            item = _item(place, facts, query)
        except StorageError as error:
            told[place] = Failed(error)
            continue
        if item is None:
            alone[place] = query
        else:
            items.append(item)
    told |= await _in_requests(client, items, name_of(op.scope, op.namespace))
    for item in items:
        found = told[item.place]
        cut = isinstance(found, Done) and len(found.value) < item.op.top_k
        if cut and item.op.filter is not None and item.sent:
            alone[item.place] = item.op
    down = next(filter(None, map(_failure, told.values())), None)
    if alone and down is not None:
        told |= dict.fromkeys(alone, Failed(untried(down)))
    elif alone:

        async def whole(query: Nearest) -> tuple[Match, ...]:
            return await search.whole(facts, query)

        rest = await emulate(whole, runtime)(NearestMany.gather((*alone.values(),)))
        told |= zip(alone, rest, strict=True)
    return tuple(told[place] for place in range(len(op.queries)))


def _item(place: int, facts: Facts, op: Nearest) -> Item | None:
    """Return what to send for a query, None if it needs more than one request.

    Raises:
        Invalid: Neither vector nor text is given.
        Unsupported: The index holds other vectors, or embeds no text.
    """
    given, clause = asked(facts, op), compiled(op.filter)
    if clause.text is None:
        return Item(place, op, {}, 0)
    if op.top_k > MOST or (op.filter is not None and not clause.text):
        return None
    weight = _QUERY + len(op.text or "") // _CHARACTERS + len(clause.text) // _CHARACTERS
    weight += 0 if op.vector is None else op.vector.dimension
    weight += 0 if op.sparse is None else 2 * len(op.sparse.indices)
    sent = {
        **given,
        "top_k": op.top_k,
        "filter": clause.text,
        "include_metadata": True,
        "include_data": True,
    }
    return Item(place, op, sent, weight)


async def _in_requests(client: Client, items: Sequence[Item], space: str) -> Told:
    told: Told = {item.place: Done(()) for item in items if not item.sent}
    waiting = deque(_chunks([item for item in items if item.sent]))
    while waiting:
        chunk = waiting.popleft()
        try:
            told |= await _send(client, chunk, space)
        except (Invalid, Unsupported) as error:
            if len(chunk) > 1:
                waiting.extendleft(reversed(_halves(chunk)))
            else:
                told[chunk[0].place] = Failed(error)
        except StorageError as error:
            told |= {item.place: Failed(error) for item in chunk}
            left = [item for rest in waiting for item in rest]
            return told | {item.place: Failed(untried(error)) for item in left}
    return told


async def _send(client: Client, chunk: Sequence[Item], space: str) -> Told:
    queries: Any = [item.sent for item in chunk]
    with reading():
        found = await client.query_many(queries=queries, namespace=space)
        if len(found) != len(chunk):
            raise FAILURES["no json"].error()
        pairs = zip(chunk, found, strict=True)
        return {one.place: Done(tuple(matches_of(hits, one.op.filter))) for one, hits in pairs}


def _chunks(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    """Part the items into requests of vectors or of texts, neither too large nor answered so."""
    groups: dict[bool, list[Item]] = {}
    for item in items:
        groups.setdefault("data" in item.sent, []).append(item)
    for group in groups.values():
        start = weight = results = 0
        for place, item in enumerate(group):
            weight += item.weight
            results += item.op.top_k
            if place > start and (weight > NUMBERS or results > _RESULTS):
                yield group[start:place]
                start, weight, results = place, item.weight, item.op.top_k
        yield group[start:]


def _failure(told: Outcome[Any]) -> StorageError | None:
    """Return the error of the service itself, not one of the query's."""
    error = told.error if isinstance(told, Failed) else None
    return None if isinstance(error, Invalid | Unsupported) else error


def _halves(chunk: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    middle = len(chunk) // 2
    return chunk[:middle], chunk[middle:]
