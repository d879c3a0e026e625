"""Any sequence of operations answers as a plain dict would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.domains.documents import Documents, Find, Read, ReadAt, Remove, Update, Write
from lamina.errors import Conflict
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.sequences import STORY, check_sequences
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.operation import Operation


class ModelledDocuments(BackendContract[Documents]):
    """A model and Hypothesis, which looks for a sequence that tells them apart."""

    def test_answers_as_a_dict_would(self) -> None:
        check_sequences(
            self._play, _steps, self.examples, shortest=STORY, timeout_real=self.timeout_real
        )

    async def _play(self, steps: Sequence[Operation[Any]]) -> None:
        model = _Model()
        async with self.opened() as store:
            served = store.bound.capabilities
            for step in steps:
                is_for_words = getattr(step, "text", None) is not None
                if type(step) not in served or (is_for_words and not served.offers(Find, "text")):
                    continue
                wanted = model.answer(step)
                try:
                    told = await store.bound.send(step)
                except Conflict:
                    told = Conflict
                assert _shape(told) == wanted, step


class _Model:
    """A documents store that anybody can see is right."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], tuple[str, Json, int, str | None]] = {}

    def answer(self, op: Any) -> Any:
        match op:
            case Read():
                return self._shape(op.scope, op.id)
            case ReadAt():
                owner = self._owner(op.scope, op.path)
                return None if owner is None else self._shape(op.scope, owner)
            case Write():
                return self._write(op)
            case Update():
                return self._update(op)
            case Remove():
                return self.documents.pop((op.scope, op.id), None) is not None
            case _:
                return sorted(
                    id_
                    for (scope, id_), (content, *_) in self.documents.items()
                    if scope == op.scope and (op.text is None or op.text in content.split())
                )

    def _shape(self, scope: str, id_: str) -> Any:
        found = self.documents.get((scope, id_))
        return None if found is None else (id_, *found)

    def _owner(self, scope: str, path: str) -> str | None:
        for (space, id_), (*_, at) in self.documents.items():
            if space == scope and at == path:
                return id_
        return None

    def _write(self, op: Write) -> Any:
        if op.path is not None and self._owner(op.scope, op.path) not in {None, op.id}:
            return Conflict
        before = self.documents.get((op.scope, op.id))
        version = 1 if before is None else before[2] + 1
        self.documents[op.scope, op.id] = (op.content, op.metadata, version, op.path)
        return None

    def _update(self, op: Update) -> Any:
        before = self.documents.get((op.scope, op.id))
        if before is None:
            return None
        content, metadata, version, path = before
        if op.expected_version not in {None, version}:
            return Conflict
        content = content if op.content is None else op.content
        metadata = metadata if op.metadata is None else op.metadata
        self.documents[op.scope, op.id] = (content, metadata, version + 1, path)
        return version + 1


def _shape(told: Any) -> Any:
    if hasattr(told, "items"):
        return sorted(found.document.id for found in told.items)
    if hasattr(told, "content"):
        return (told.id, told.content, Json.of(told.metadata), told.version, told.path)
    return told


def _steps(strategies: Any) -> Any:
    id_ = strategies.sampled_from(["a", "b", "é/%"])
    scope = strategies.sampled_from(["", "", "acme"])
    content = strategies.sampled_from(["", "red", "red blue", "blue"])
    metadata = strategies.sampled_from([Json.of({}), Json.of({"n": 1}), Json.of({"n": [None]})])
    path = strategies.sampled_from([None, None, "/p", "/q"])
    version = strategies.sampled_from([None, None, 1, 2])
    text = strategies.sampled_from([None, "red", "blue"])
    none = strategies.none()
    return strategies.one_of(
        strategies.builds(Read, id_, scope=scope),
        strategies.builds(ReadAt, strategies.sampled_from(["/p", "/q"]), scope=scope),
        strategies.builds(Write, id_, content, metadata, path, scope=scope),
        strategies.builds(Update, id_, none | content, none | metadata, version, scope=scope),
        strategies.builds(Remove, id_, scope=scope),
        strategies.builds(Find, text, limit=strategies.just(1000), scope=scope),
    )
