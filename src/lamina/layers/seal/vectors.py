"""Records whose texts are sealed; vectors and metadata stay as they are, to be searched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

from lamina.domains.coded import Coded, Place, codes, paired, within
from lamina.domains.store import Check
from lamina.domains.vectors.batches import FetchMany, NearestMany, UpsertMany
from lamina.domains.vectors.operations import (
    Drop,
    DropWhere,
    Fetch,
    Info,
    ListIds,
    Match,
    Namespaces,
    Nearest,
    NearestPage,
    Record,
    Upsert,
)
from lamina.errors import Corrupt, Unsupported
from lamina.layers.seal.core import Sealer
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    from lamina.operation import Handler

T = TypeVar("T", Record, Match)


@final
class SealedVectors(Coded[Sealer]):
    """Ids, namespaces, vectors and metadata are in clear; a text is sealed.

    The backend cannot embed what is sealed: a text is stored only beside a dense vector, and no
    search is for a text.
    """

    clear = frozenset({Check, Drop, DropWhere, ListIds, Namespaces, Info})

    @codes(Fetch)
    def fetch(self, inner: Handler[Any, Any]) -> Handler[Fetch, Record | None]:
        async def answer(op: Fetch) -> Record | None:
            found = await inner(op)
            return None if found is None else self._opened(op, op.id, found)

        return answer

    @codes(FetchMany)
    def fetch_many(self, inner: Handler[Any, Any]) -> Handler[FetchMany, tuple[Any, ...]]:
        async def answer(op: FetchMany) -> tuple[Outcome[Record | None], ...]:
            told: tuple[Outcome[Record | None], ...] = await inner(op)
            weight = sum(_weight(one.value) for one in told if isinstance(one, Done))
            return await self._worker.run(weight, self._open_each, op, told)

        return answer

    @codes(Upsert, loses=("text",))
    def upsert(self, inner: Handler[Any, Any]) -> Handler[Upsert, None]:
        async def answer(op: Upsert) -> None:
            await inner(self._sealed(op, op.scope))

        return answer

    @codes(UpsertMany)
    def upsert_many(self, inner: Handler[Any, Any]) -> Handler[UpsertMany, tuple[Any, ...]]:
        async def answer(op: UpsertMany) -> tuple[Outcome[None], ...]:
            weight = sum(len(item.text or "") for item in op.items)
            items = await self._worker.run(weight, self._seal_each, op)
            return cast("tuple[Outcome[None], ...]", await inner(UpsertMany(items, scope=op.scope)))

        return answer

    @codes(Nearest, loses=("text",))
    def nearest(self, inner: Handler[Any, Any]) -> Handler[Nearest, tuple[Match, ...]]:
        async def answer(op: Nearest) -> tuple[Match, ...]:
            self._check(op)
            return self._open_all(op, await inner(op))

        return answer

    @codes(NearestMany)
    def nearest_many(self, inner: Handler[Any, Any]) -> Handler[NearestMany, tuple[Any, ...]]:
        async def answer(op: NearestMany) -> tuple[Outcome[tuple[Match, ...]], ...]:
            for query in op.queries:
                self._check(query)
            told: tuple[Outcome[tuple[Match, ...]], ...] = await inner(op)
            return tuple(self._found(op, one) for one in told)

        return answer

    @codes(NearestPage)
    def nearest_page(self, inner: Handler[Any, Any]) -> Handler[NearestPage, Page[Match]]:
        async def answer(op: NearestPage) -> Page[Match]:
            self._check(op)
            page = await inner(op)
            return Page(self._open_all(op, page.items), page.next)

        return answer

    def _check(self, op: Nearest | NearestPage) -> None:
        if op.text is not None:
            msg = "a search is for a vector: a text would be told to the backend"
            raise Unsupported(msg, layer=self._codec.layer)

    def _sealed(self, op: Upsert, scope: str) -> Upsert:
        text = op.text
        if text is not None:
            if op.vector is None:
                msg = "a text needs a dense vector beside it: sealed, the backend cannot embed it"
                raise Unsupported(msg, layer=self._codec.layer)
            text = self._codec.encode_text(text, _at(scope, op.namespace, op.id))
        return Upsert(op.id, op.vector, op.sparse, text, op.metadata, op.namespace, scope=scope)

    def _seal_each(self, op: UpsertMany) -> tuple[Upsert, ...]:
        return tuple(self._sealed(item, op.scope) for item in op.items)

    def _opened(self, op: Any, id_: str, found: T) -> T:
        """Open what was *found* for *id_*, whatever id is answered."""
        if found.text is None:
            return found
        at = _at(op.scope, op.namespace, id_)
        return replace(found, text=self._codec.decode_text(found.text, at))

    def _open_all(self, op: Any, found: tuple[Match, ...]) -> tuple[Match, ...]:
        return tuple(self._listed(op, match) for match in found)

    def _listed(self, op: Any, match: Match) -> Match:
        with within(match.id):
            return self._opened(op, match.id, match)

    def _found(
        self, op: NearestMany, told: Outcome[tuple[Match, ...]]
    ) -> Outcome[tuple[Match, ...]]:
        if isinstance(told, Failed):
            return told
        try:
            return Done(self._open_all(op, told.value))
        except Corrupt as error:
            return Failed(error)

    def _open_each(
        self, op: FetchMany, told: tuple[Outcome[Record | None], ...]
    ) -> tuple[Outcome[Record | None], ...]:
        pairs = paired(op.ids, told, self._codec.layer)
        return tuple(self._outcome(op, id_, one) for id_, one in pairs)

    def _outcome(
        self, op: FetchMany, id_: str, told: Outcome[Record | None]
    ) -> Outcome[Record | None]:
        if isinstance(told, Failed) or told.value is None:
            return told
        try:
            return Done(self._opened(op, id_, told.value))
        except Corrupt as error:
            return Failed(error)


def _weight(found: Record | None) -> int:
    return 0 if found is None else len(found.text or "")


def _at(scope: str, namespace: str, id_: str) -> Place:
    return ("vectors", scope, namespace, id_)
