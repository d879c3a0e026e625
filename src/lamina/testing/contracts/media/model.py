"""Any sequence of operations answers as a plain dict would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from lamina.domains.media import Erase, Head, ListObjects, Media, Put, ReadRange
from lamina.errors import Conflict
from lamina.testing.contracts import drawn
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.sequences import STORY, check_sequences
from lamina.values import Json, freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.operation import Operation


class ModelledMedia(BackendContract[Media]):
    """A model and Hypothesis, which looks for a sequence that tells them apart."""

    def test_answers_as_a_dict_would(self) -> None:
        check_sequences(
            self._play, _steps, self.examples, shortest=STORY, timeout_real=self.timeout_real
        )

    async def _play(self, steps: Sequence[Operation[Any]]) -> None:
        model = _Model()
        async with self.opened(Put, Head) as store:
            for step in steps:
                if _is_served(store, step):
                    wanted = model.answer(step)
                    assert await self._told(store, step) == wanted, step

    @staticmethod
    async def _told(store: Media, step: Operation[Any]) -> Any:
        try:
            told = await store.bound.send(step)
        except Conflict:
            return Conflict
        if isinstance(step, ReadRange):
            return None if told is None else (told.data, _shape(told.info))
        if isinstance(step, ListObjects):
            return sorted((info.key, *_shape(info)) for info in told.items)
        return told if isinstance(step, Erase) or told is None else _shape(told)

    def test_keeps_any_object_under_any_name(self) -> None:
        check_sequences(
            self._keep, _objects, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep(self, objects: Sequence[tuple[str, bytes, dict[str, Any]]]) -> None:
        kept = {key: (data, metadata) for key, data, metadata in objects}
        async with self.opened(Put, ReadRange, Head, ListObjects) as store:
            for key, data, metadata in objects:
                await store.set(key, data, metadata=metadata)
            for key, (data, metadata) in kept.items():
                assert await store.get(key) == data, ascii(key)
                info = await store.head(key)
                assert info is not None
                assert (info.key, info.size, info.metadata) == (key, len(data), freeze(metadata))
            self.listed(store, ListObjects, [one.key async for one in store.scan(limit=3)], kept)


@final
class _Model:
    """A store of objects that anybody can see is right."""

    def __init__(self) -> None:
        self._puts: dict[tuple[str, str], Put] = {}

    def answer(self, op: Any) -> Any:
        answers: dict[type[Operation[Any]], Callable[[Any], Any]] = {
            ListObjects: self._list,
            Put: self._put,
            Erase: lambda op: self._puts.pop((op.scope, op.key), None) is not None,
            Head: self._head,
            ReadRange: self._read,
        }
        return answers[type(op)](op)

    def _list(self, op: ListObjects) -> Any:
        keys = [key for scope, key in self._puts if scope == op.scope]
        chosen = sorted(key for key in keys if key.startswith(op.prefix))
        return [(key, *self._shape(self._puts[op.scope, key])) for key in chosen]

    def _put(self, op: Put) -> Any:
        if op.if_absent and (op.scope, op.key) in self._puts:
            return Conflict
        self._puts[op.scope, op.key] = op
        return self._shape(op)

    def _head(self, op: Head | ReadRange) -> Any:
        found = self._puts.get((op.scope, op.key))
        return None if found is None else self._shape(found)

    def _read(self, op: ReadRange) -> Any:
        found = self._puts.get((op.scope, op.key))
        if found is None:
            return None
        return found.data[op.start : op.start + op.length], self._shape(found)

    @staticmethod
    def _shape(put: Put) -> tuple[int, str, Json]:
        return len(put.data), put.type, put.metadata


def _is_served(store: Media, step: Operation[Any]) -> bool:
    capabilities = store.bound.capabilities
    if isinstance(step, Put) and step.if_absent:
        return capabilities.offers(Put, "conditional")
    return type(step) in capabilities


def _shape(info: Any) -> tuple[int, str, Json]:
    return info.size, info.type, Json.of(info.metadata)


def _steps(strategies: Any) -> Any:
    key = strategies.sampled_from(["a", "b", "é/%", "a/b"])
    sole = strategies.sampled_from(["b", "é/%"])  # some servers take the folder "a" for an object
    scope = strategies.sampled_from(["", "", "acme"])
    kind = strategies.sampled_from(["text/plain", "image/png"])
    data = strategies.sampled_from([Json.of({}), Json.of({"n": 1}), Json.of({"name": "ж"})])
    value = strategies.binary(max_size=20)
    start, length = strategies.integers(0, 25), strategies.integers(1, 25)
    absent = strategies.booleans()
    return strategies.one_of(
        strategies.builds(Put, key, value, kind, data, scope=scope),
        strategies.builds(Put, sole, value, kind, data, absent, scope=scope),
        strategies.builds(Head, key, scope=scope),
        strategies.builds(ReadRange, key, start, length, scope=scope),
        strategies.builds(Erase, key, scope=scope),
        strategies.builds(
            ListObjects,
            strategies.sampled_from(["", "a", "é"]),
            limit=strategies.just(100),
            scope=scope,
        ),
    )


def _objects(strategies: Any) -> Any:
    return strategies.tuples(
        drawn.names(strategies), drawn.blobs(strategies), drawn.metadata(strategies)
    )
