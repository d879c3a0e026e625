"""The contracts tell a store that breaks a promise."""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings

from lamina.backend import serves
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.domains.documents import Find, Found, ReadAt, Update, Write, WriteAt
from lamina.domains.keyvalue import Append, CompareAndSet, Get, GetMany, Increment, Scan, Set
from lamina.domains.media import Abort, Finish, Head, Info, Put
from lamina.domains.vectors import DropWhere, Match, NearestPage, Upsert, UpsertMany
from lamina.embed import LexicalEmbedder
from lamina.errors import Conflict, Invalid, StorageError, Unavailable
from lamina.layer import Layer
from lamina.operation import Handler, Op, R
from lamina.site import Site
from lamina.testing import (
    DocumentsContract,
    KeyValueContract,
    LayerContract,
    MediaContract,
    VectorsContract,
    run,
)
from lamina.values import Failed, Page


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """Take the first sequence that tells a store apart, without looking for the shortest."""
    settings.register_profile("quick", phases=[Phase.generate])
    settings.load_profile("quick")
    yield
    settings.load_profile("default")


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


class DropsOthers(MemoryVectors):  # type: ignore[misc]
    @serves(DropWhere)
    async def drop_where(self, op: DropWhere) -> int:
        return await MemoryVectors.drop_where(self, DropWhere(None, op.namespace, scope=op.scope))


class ForgetsMetadata(MemoryVectors):  # type: ignore[misc]
    @serves(Upsert)
    async def upsert(self, op: Upsert) -> None:
        await MemoryVectors.upsert(
            self, Upsert(op.id, op.vector, namespace=op.namespace, scope=op.scope)
        )


class FailsWholeBatches(MemoryVectors):  # type: ignore[misc]
    @serves(UpsertMany)
    async def upsert_many(self, op: UpsertMany) -> Any:
        told = await MemoryVectors.upsert_many(self, op)
        failed = [one for one in told if isinstance(one, Failed)]
        return tuple(failed[0] if failed else one for one in told)


class LosesTheLastPage(MemoryVectors):  # type: ignore[misc]
    @serves(NearestPage)
    async def nearest_page(self, op: NearestPage) -> Page[Match]:
        page = await MemoryVectors.nearest_page(self, op)
        return page if page.next else Page((), None)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (DropsOthers, {"answers_as_a_dict_would"}),
        (ForgetsMetadata, {"answers_as_a_dict_would"}),
        (FailsWholeBatches, {"tells_which_items_of_a_batch_failed"}),
        (LosesTheLastPage, {"gives_all_matches_of_a_filter_page_by_page"}),
    ],
)
def test_tells_what_a_vectors_store_does_wrong(made: type[MemoryVectors], wanted: set[str]) -> None:
    def contract(kind: type[MemoryVectors]) -> VectorsContract:
        class Contract(VectorsContract):
            def backend(self) -> MemoryVectors:
                return kind(embedder=LexicalEmbedder())

        return Contract()

    assert failing(contract(MemoryVectors), wanted) == set()
    assert failing(contract(made), wanted) == wanted


class KeepsTypes(MemoryMedia):  # type: ignore[misc]
    """The type of what was there before stays."""

    @serves(Put)
    async def put(self, op: Put) -> Info:
        before = await self.head(Head(op.key, scope=op.scope))
        kind = op.type if before is None else before.type
        return await MemoryMedia.put(self, Put(op.key, op.data, kind, op.metadata, scope=op.scope))


class StripsZeros(MemoryMedia):  # type: ignore[misc]
    @serves(Put, "conditional")
    async def put(self, op: Put) -> Info:
        return await MemoryMedia.put(
            self,
            Put(
                op.key,
                op.data.rstrip(b"\0"),
                op.type,
                op.metadata,
                op.if_absent,
                op.if_etag,
                scope=op.scope,
            ),
        )


class LetsAllWin(MemoryMedia):  # type: ignore[misc]
    @serves(Put, "conditional")
    async def put(self, op: Put) -> Info:
        return await MemoryMedia.put(self, Put(op.key, op.data, op.type, op.metadata))

    @serves(Finish, "conditional")
    async def finish(self, op: Finish) -> Info:
        return await MemoryMedia.finish(self, Finish(op.key, op.upload, op.parts))


class KeepsUploads(MemoryMedia):  # type: ignore[misc]
    @serves(Abort)
    async def abort(self, op: Abort) -> bool:
        return op.upload in self._uploads


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (KeepsTypes, {"answers_as_a_dict_would"}),
        (StripsZeros, {"keeps_any_object_under_any_name"}),
        (
            LetsAllWin,
            {
                "lets_one_racer_write_what_is_absent",
                "lets_one_racer_replace_each_version",
                "lets_one_of_two_uploads_make_what_is_absent",
            },
        ),
        (KeepsUploads, {"leaves_no_part_of_an_upload_that_was_cancelled"}),
    ],
)
def test_tells_what_a_media_store_does_wrong(made: type[MemoryMedia], wanted: set[str]) -> None:
    def contract(kind: type[MemoryMedia]) -> MediaContract:
        class Contract(MediaContract):
            def backend(self) -> MemoryMedia:
                self._last = kind()
                return self._last

            async def unfinished(self) -> int:
                return len(self._last._uploads)

        return Contract()

    assert failing(contract(MemoryMedia), wanted) == set()
    assert failing(contract(made), wanted) == wanted


class LowersCase(MemoryKeyValue):  # type: ignore[misc]
    @serves(Set)
    async def set(self, op: Set) -> None:
        await MemoryKeyValue.set(self, Set(op.key.casefold(), op.value, op.ttl, scope=op.scope))


class NormalizesText(MemoryDocuments):  # type: ignore[misc]
    @serves(Write)
    async def write(self, op: Write) -> None:
        content = unicodedata.normalize("NFC", op.content)
        await MemoryDocuments.write(
            self, Write(op.id, content, op.metadata, op.path, scope=op.scope)
        )


class MakesTwoAtAPath(MemoryDocuments):  # type: ignore[misc]
    @serves(WriteAt)
    async def write_at(self, op: WriteAt) -> str:
        found = await self.read_at(ReadAt(op.path, scope=op.scope))
        await asyncio.sleep(0)
        id_ = op.id if found is None else found.id
        with contextlib.suppress(Conflict):
            await self.write(Write(id_, op.content, op.metadata, op.path, scope=op.scope))
        return id_


def test_tells_what_is_changed_on_the_way_into_a_store() -> None:
    class Texts(DocumentsContract):
        def backend(self) -> MemoryDocuments:
            return NormalizesText()

    class Paths(DocumentsContract):
        def backend(self) -> MemoryDocuments:
            return MakesTwoAtAPath()

    name = "keeps_any_value_under_any_name"
    assert failing(keyvalue(LowersCase), {name}) == {name}
    name = "keeps_any_document_under_any_name"
    assert failing(Texts(), {name}) == {name}
    name = "makes_one_document_of_racing_writes_at_a_path"
    assert failing(Paths(), {name}) == {name}


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
