"""Write documents, many in one request, each for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.backends.supabase.document_rows import item_of, words_told
from lamina.errors import Conflict, StorageError, Unavailable
from lamina.values import Done, Failed, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.supabase.client import Client
    from lamina.domains.documents import Write

_LARGE: Final = 128 * 1024
"""Characters of content and metadata in one request, unless one document has more."""


async def write_each(client: Client, ops: Sequence[Write], scope: str) -> tuple[Outcome[None], ...]:
    """Write *ops* in order, some in each request; tell how each went.

    After a request that failed for a passing reason the rest is not sent.
    """
    outcomes: list[Outcome[None] | None] = [None] * len(ops)
    failed: StorageError | None = None
    for places in _portions(ops):
        if failed is not None and failed.transient:
            msg = "not sent, as a write before it failed"
            error = Unavailable(msg, sent="no")
            outcomes[places[0] : places[-1] + 1] = [Failed(error)] * len(places)
            continue
        failed = await _write(client, ops, places, scope, outcomes)
    return tuple(one for one in outcomes if one is not None)


async def _write(
    client: Client,
    ops: Sequence[Write],
    places: list[int],
    scope: str,
    outcomes: list[Outcome[None] | None],
) -> StorageError | None:
    from lamina.backends.supabase.failures import RefusedValue

    items: list[dict[str, Any]] = []
    sent: list[int] = []
    for place in places:
        try:
            items.append(await item_of(ops[place]))
            sent.append(place)
        except StorageError as error:
            outcomes[place] = Failed(error)
    if not items:
        return None
    try:
        given = {"_scope": scope, "_items": items}
        told = words_told(await client.call("lamina_documents_write", given), len(items))
    except StorageError as error:
        if len(sent) > 1 and isinstance(error, RefusedValue):
            for place in sent:  # one of them is refused, the others need not be
                await _write(client, ops, [place], scope, outcomes)
            return None
        for place in sent:
            outcomes[place] = Failed(error)
        return error
    for place, word in zip(sent, told, strict=True):
        outcomes[place] = Done(None) if word == "done" else Failed(_taken())
    return None


def _portions(ops: Sequence[Write]) -> list[list[int]]:
    portions: list[list[int]] = []
    size = _LARGE
    for place, op in enumerate(ops):
        length = len(op.content) + len(op.metadata.data)
        if size + length > _LARGE or not portions:
            portions.append([])
            size = 0
        portions[-1].append(place)
        size += length
    return portions


def _taken() -> Conflict:
    return Conflict("another document has this path")
