"""The contracts tell a store that breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lamina.backend import serves
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue
from lamina.domains.documents import Find, Found, Update, Write
from lamina.domains.keyvalue import Append, CompareAndSet, Get, GetMany, Increment, Scan, Set
from lamina.errors import Invalid, StorageError, Unavailable
from lamina.layer import Layer
from lamina.operation import Handler, Op, R
from lamina.site import Site
from lamina.testing import DocumentsContract, KeyValueContract, LayerContract, run
from lamina.values import Page


def failing(contract: Any, names: set[str]) -> set[str]:
    """Run these tests of the contract by hand; return the names of those that fail."""
    failed: set[str] = set()
    for name in names:
        test = getattr(contract, f"test_{name}")
        marks = getattr(test, "pytestmark", [])
        for value in marks[0].args[1] if marks else [None]:
            try:
                told = test(value) if marks else test()
                if told is not None:
                    run(told)
            except (Exception, pytest.fail.Exception):
                failed.add(name)
            except pytest.skip.Exception:
                pass
    return failed


def keyvalue(made: Callable[[], MemoryKeyValue]) -> KeyValueContract:
    class Contract(KeyValueContract):
        examples = 60

        def backend(self) -> MemoryKeyValue:
            return made()

    return Contract()


class LosesTime(MemoryKeyValue):  # type: ignore[misc]
    @serves(Set)
    async def set(self, op: Set) -> None:
        ttl = None if op.ttl is None else op.ttl + 0.2
        await MemoryKeyValue.set(self, Set(op.key, op.value, ttl, scope=op.scope))


class MixesScopes(MemoryKeyValue):  # type: ignore[misc]
    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        found = await MemoryKeyValue.get(self, op)
        return found or await MemoryKeyValue.get(self, Get(op.key))


class MissesDuplicates(MemoryKeyValue):  # type: ignore[misc]
    @serves(GetMany)
    async def get_many(self, op: GetMany) -> Any:
        return await MemoryKeyValue.get_many(self, GetMany(tuple(dict.fromkeys(op.keys))))


class SkipsPages(MemoryKeyValue):  # type: ignore[misc]
    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        page = await MemoryKeyValue.scan(self, op)
        return Page(page.items, None)


class LosesAppends(MemoryKeyValue):  # type: ignore[misc]
    @serves(Append)
    async def append(self, op: Append) -> int:
        await MemoryKeyValue.append(self, op)
        return await MemoryKeyValue.append(self, op)


class CountsText(MemoryKeyValue):  # type: ignore[misc]
    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        try:
            return await MemoryKeyValue.increment(self, op)
        except Invalid:
            return 0


class IgnoresConditions(MemoryKeyValue):  # type: ignore[misc]
    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        await MemoryKeyValue.set(self, Set(op.key, op.value, op.ttl, scope=op.scope))


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (LosesTime, {"takes_a_key_for_absent_from_its_expiry_on", "tells_how_long_a_key_lives"}),
        (MixesScopes, {"confines_each_scope_to_its_own", "answers_as_a_dict_would"}),
        (MissesDuplicates, {"answers_a_batch_in_the_order_asked"}),
        (SkipsPages, {"lists_every_key_at_any_page_size"}),
        (LosesAppends, {"loses_no_append_among_racers", "answers_as_a_dict_would"}),
        (CountsText, {"answers_as_a_dict_would", "refuses_to_count_beyond_64_bits"}),
        (IgnoresConditions, {"lets_one_racer_win_a_conditional_write", "answers_as_a_dict_would"}),
    ],
)
def test_tells_what_a_keyvalue_store_does_wrong(
    made: type[MemoryKeyValue], wanted: set[str]
) -> None:
    assert failing(keyvalue(MemoryKeyValue), wanted) == set()
    assert failing(keyvalue(made), wanted) == wanted


class FindsAny(MemoryDocuments):  # type: ignore[misc]
    @serves(Find)
    async def find(self, op: Find) -> Page[Found]:
        return await MemoryDocuments.find(
            self, Find(None, op.filter, op.order, op.descending, op.cursor, op.limit)
        )


class KeepsVersions(MemoryDocuments):  # type: ignore[misc]
    @serves(Update)
    async def update(self, op: Update) -> int | None:
        return await MemoryDocuments.update(self, Update(op.id, op.content, op.metadata))


class SharesPaths(MemoryDocuments):  # type: ignore[misc]
    @serves(Write)
    async def write(self, op: Write) -> None:
        self._paths.clear()
        await MemoryDocuments.write(self, op)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (FindsAny, {"finds_documents_that_hold_every_word", "answers_as_a_dict_would"}),
        (KeepsVersions, {"lets_one_racer_win_each_version", "writes_nothing_on_a_conflict"}),
        (SharesPaths, {"gives_a_path_to_one_document"}),
    ],
)
def test_tells_what_a_documents_store_does_wrong(
    made: type[MemoryDocuments], wanted: set[str]
) -> None:
    class Contract(DocumentsContract):
        def backend(self) -> MemoryDocuments:
            return made()

    assert failing(Contract(), wanted) == wanted


class Swallows(Layer):
    slot = "log"

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        try:
            return await inner(op)
        except StorageError as error:
            msg = "another"
            raise Unavailable(msg) from error
        except BaseException:
            return None  # type: ignore[return-value]


class Wraps(Layer):
    slot = "log"

    def __init__(self) -> None:
        self.seen: list[object] = []

    def wants(self, op: Any) -> bool:
        return False

    def serves(self, below: Any) -> Any:
        return below.without(lambda op: op is Get)

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        self.seen.append(op)
        return await inner(op)


class Spends(Layer):
    """Gives no permit back when cancelled."""

    slot = "limit"

    def setup(self, site: Site) -> None:
        self.left = 100

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if not self.left:
            msg = "no permit"
            raise Unavailable(msg)
        self.left -= 1
        answer = await inner(op)
        self.left += 1
        return answer


class Leaks(Layer):
    """Keeps its state in what was given, for all stacks."""

    slot = "log"
    seen: dict[str, Any] = {}  # noqa: RUF012  # the mistake

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        key = repr(op)
        if key not in self.seen:
            self.seen[key] = await inner(op)
        answer: R = self.seen[key]
        return answer


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (Swallows, {"may_be_cancelled_anywhere", "serves_on_after_calls_were_cancelled"}),
        (Spends, {"serves_on_after_calls_were_cancelled"}),
        (Leaks, {"shares_nothing_between_two_backends"}),
        (Wraps, {"shares_nothing_between_two_backends"}),
    ],
)
def test_tells_what_a_layer_does_wrong(made: type[Layer], wanted: set[str]) -> None:
    class Contract(LayerContract):
        def layer(self) -> Layer:
            return made()

    assert failing(Contract(), wanted) == wanted
