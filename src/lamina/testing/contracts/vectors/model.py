"""Any sequence of operations answers as a dict and a comparison of all records would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.domains.vectors import (
    Drop,
    DropWhere,
    Fetch,
    FetchMany,
    Info,
    ListIds,
    Namespaces,
    Nearest,
    Upsert,
    UpsertMany,
    Vectors,
)
from lamina.filters import F, Filter
from lamina.testing.contracts.backend import near
from lamina.testing.contracts.sequences import STORY, check_sequences
from lamina.testing.contracts.vectors.nearest import SCORES, NearestVectors
from lamina.values import Done, Json, Vector, freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.domains.vectors import Match
    from lamina.operation import Operation


class ModelledVectors(NearestVectors):
    """A model and Hypothesis, which looks for a sequence that tells them apart."""

    def test_answers_as_a_dict_would(self) -> None:
        check_sequences(
            self._play,
            self._steps,
            self.examples,
            shortest=STORY,
            timeout_real=self.timeout_real,
        )

    async def _play(self, steps: Sequence[Operation[Any]]) -> None:
        async with self.opened(Info) as store:
            model = _Model((await store.info()).metric)
            for step in steps:
                if type(step) in store.bound.capabilities:
                    await self._compare(store, model, step)

    @staticmethod
    async def _compare(store: Vectors, model: _Model, step: Operation[Any]) -> None:
        wanted = model.answer(step)
        told = await store.bound.send(step)
        if isinstance(step, Nearest):
            _same_matches(told, wanted)
        elif isinstance(step, ListIds):
            assert sorted(told.items) == wanted, step
        elif isinstance(step, Info):
            assert told.count == wanted, step
        elif isinstance(step, FetchMany):
            assert tuple(map(_shape, [one.value for one in told])) == wanted, step
        else:
            assert _shape(told) == wanted, step

    def _steps(self, strategies: Any) -> Any:
        id_ = strategies.sampled_from(["a", "b", "é/%", "c"])
        space = strategies.sampled_from(["", "", "n"])
        scope = strategies.sampled_from(["", "", "acme"])
        vector = strategies.integers(0, 9).map(self.numbers)
        data = [Json.of({}), Json.of({"n": 1}), Json.of({"n": 2, "tag": "x"}), Json.of({"n": "1"})]
        condition = strategies.sampled_from([None, F.n == 1, F.n >= 1, F.tag == "x", F.n != 1])
        top = strategies.sampled_from([1, 2, 100])
        ids = strategies.lists(id_, max_size=5).map(tuple)
        given = (id_, vector, strategies.none(), strategies.none(), strategies.sampled_from(data))
        upsert = strategies.builds(Upsert, *given, space, scope=scope)
        upserts = strategies.lists(upsert, min_size=1, max_size=4).map(tuple)
        return strategies.one_of(
            upsert,
            strategies.builds(UpsertMany, upserts, scope=scope),
            strategies.builds(Fetch, id_, space, scope=scope),
            strategies.builds(FetchMany, ids, space, scope=scope),
            strategies.builds(Drop, id_, space, scope=scope),
            strategies.builds(DropWhere, condition, space, scope=scope),
            strategies.builds(
                Nearest, vector, top_k=top, filter=condition, namespace=space, scope=scope
            ),
            strategies.builds(ListIds, limit=strategies.just(100), namespace=space, scope=scope),
            strategies.builds(Info, space, scope=scope),
            strategies.builds(Namespaces, scope=scope),
        )


class _Model:
    """A vector store that anybody can see is right."""

    def __init__(self, metric: str) -> None:
        self._score = SCORES[metric]
        self._records: dict[tuple[str, str], dict[str, tuple[Vector, Json]]] = {}

    def answer(self, op: Any) -> Any:
        answers: dict[type[Operation[Any]], Callable[[Any], Any]] = {
            Fetch: lambda op: self._shape(op.id, op),
            FetchMany: lambda op: tuple(self._shape(id_, op) for id_ in op.ids),
            Upsert: self._put,
            UpsertMany: self._put_many,
            Drop: lambda op: self._held(op).pop(op.id, None) is not None,
            DropWhere: self._drop_where,
            Nearest: self._nearest,
            ListIds: lambda op: sorted(self._held(op)),
            Info: lambda op: len(self._held(op)),
            Namespaces: lambda op: tuple(
                sorted(
                    name for (scope, name), of in self._records.items() if scope == op.scope and of
                )
            ),
        }
        return answers[type(op)](op)

    def _held(self, op: Any) -> dict[str, tuple[Vector, Json]]:
        return self._records.setdefault((op.scope, op.namespace), {})

    def _shape(self, id_: str, op: Any) -> Any:
        found = self._held(op).get(id_)
        return None if found is None else (id_, *found)

    def _put(self, op: Upsert) -> None:
        if op.vector is not None:
            self._held(op)[op.id] = (op.vector, op.metadata)

    def _put_many(self, op: UpsertMany) -> tuple[Done[None], ...]:
        for one in op.singles():
            self._put(one)
        return (Done(None),) * len(op.items)

    def _meeting(self, op: DropWhere | Nearest) -> dict[str, Vector]:
        held = self._held(op).items()
        return {id_: vector for id_, (vector, data) in held if _meets(op.filter, data)}

    def _drop_where(self, op: DropWhere) -> int:
        gone = self._meeting(op)
        for id_ in gone:
            del self._held(op)[id_]
        return len(gone)

    def _nearest(self, op: Nearest) -> tuple[int, dict[str, float]]:
        query = (op.vector or Vector.of([0.0])).numbers()
        found = {i: self._score(query, v.numbers()) for i, v in self._meeting(op).items()}
        return op.top_k, found


def _same_matches(told: tuple[Match, ...], wanted: tuple[int, dict[str, float]]) -> None:
    """Check ids and scores; among records equally near any may be told."""
    top_k, scores = wanted
    best = sorted(scores.values(), reverse=True)[:top_k]
    assert len(told) == len(best)
    assert len({match.id for match in told}) == len(told)
    for match, score in zip(told, best, strict=True):
        assert near(match.score, score, 1e-5), match
        assert near(match.score, scores[match.id], 1e-5), match


def _meets(condition: Filter | None, metadata: Json) -> bool:
    return condition is None or condition.matches(freeze(metadata.thaw()))


def _shape(told: Any) -> Any:
    if hasattr(told, "vector"):
        return (told.id, told.vector, Json.of(told.metadata))
    return told
