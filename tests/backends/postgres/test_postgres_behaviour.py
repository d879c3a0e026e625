"""What PostgreSQL's backends promise beyond their domains' contracts."""

from __future__ import annotations

import asyncio
import json
import random
import tracemalloc
from typing import Any, Final

import asyncpg
import pytest
from postgres_places import WAITING, documents, schema, session, until, values, vectors

from lamina.backends.postgres.conditions import compiled, told
from lamina.backends.postgres.schema import in_schema
from lamina.backends.postgres.written import asked, indexed, stored
from lamina.domains.documents import Find, Update, Write, WriteAt
from lamina.domains.vectors import NearestPage, Upsert
from lamina.errors import BackendError, Conflict, Invalid, Unsupported
from lamina.filters import Compare, Every, F, Filter, Some
from lamina.testing.contracts.filters import FILTERS, METADATA
from lamina.testing.servers import Postgres
from lamina.values import Done, Failed, Json, SparseVector, Vector, freeze

pytestmark = pytest.mark.server
EXTREMES: Final[tuple[dict[str, Any], ...]] = (
    *({"n": float(10**23)}, {"n": 10**23}, {"n": -0.0}, {"n": 5e-324}, {"n": 0.1}),
    *({"n": 2.0**53}, {"n": 2**53 + 1}, {"n": 1.7976931348623157e308}, {"n": 10**400}),
    *({"tag": "x\0"}, {"tag": "x\1"}, {"tag": "\1\2"}, {"tag": "x\U0010ffff"}, {"tag": "x\uffff"}),
    *({"a\0b": 1, "n": [[1], {"n": 1}]}, {"list": [[1], "1"]}, {"list": ["\0"]}, {"n": {}}),
)
HARDER: Final[tuple[Filter, ...]] = (
    *(F.n == float(10**23), F.n == 10**23, F.n > 2**53, F.n >= 2.0**53, F.n == 0, F.n == 0.1),
    *(F.n < 0.1, F.n > 1e308, F.n == -0.0, F.n > 10**300, F.n <= 5e-324, F.n.is_in([0.1, 2.0**53])),
    *(
        F.tag == "x\0",
        F.tag > "x",
        F.tag < "x\1",
        F.tag <= "x\0",
        F.tag > "x\uffff",
        F.tag != "\1\2",
    ),
    *(F.n.contains(1), F.list.contains("\0"), F.list.contains("1"), F["n.n"].exists()),
    *(Compare("flag", "<", True), Every(()), Some(()), F.tag == "'; DROP TABLE x; --"),
)


async def test_both_ways_of_a_filter_decide_as_it_is_defined(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    held = [*METADATA, *EXTREMES]
    async with documents(url, schema=name) as store, session(url) as admin:
        items = [Write(f"{at:02}", "", Json.of(each)) for at, each in enumerate(held)]
        await store.set_many(items)
        for condition in (*FILTERS, *HARDER, *_drawn(60)):
            wanted = [f"{at:02}" for at, m in enumerate(held) if condition.matches(freeze(m))]
            bound: list[Any] = []
            for where, given in (
                (compiled(condition, bound), bound),
                (f"{name}.lamina_meets(metadata, $1)", [told(condition)]),
            ):
                query = f"SELECT id FROM {name}.lamina_documents WHERE {where} ORDER BY id"
                found = [row[0] for row in await admin.fetch(query, *given)]
                assert found == wanted, (condition, where)
        for at, each in enumerate(held):
            back = await store.get(f"{at:02}")
            assert back is not None
            assert Json.of(back.metadata) == Json.of(each)


def _drawn(count: int) -> list[Filter]:
    rng = random.Random(5)
    leaves = [*FILTERS, *HARDER]
    made: list[Filter] = []
    for _ in range(count):
        one = rng.choice(leaves)
        for _ in range(rng.randrange(4)):
            other = rng.choice(leaves)
            one = rng.choice([one & other, one | other, ~one, ~(one | ~other)])
        made.append(one)
    return made


def test_a_filter_that_is_none_of_ours_is_refused() -> None:
    class Odd(Filter):
        def matches(self, metadata: Any, /) -> bool:
            return True

        def key(self) -> tuple[Any, ...]:
            return ()

    with pytest.raises(Unsupported, match="of type Odd"):
        compiled(Odd(), [])
    with pytest.raises(Unsupported, match="of type Odd"):
        told(~Odd() & (F.n == 1))
    with pytest.raises(Unsupported):
        compiled(Compare("n", "=~", 1), [])  # type: ignore[arg-type]  # no comparison
    with pytest.raises(Unsupported, match="at most 10000 values"):
        compiled(Some(tuple(F.n == place for place in range(9_000))), [])


async def test_another_door_to_the_documents_gives_the_same(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with documents(url, schema=name) as store, session(url) as door:
        rows = [_item(at, f"red fox {'fox ' * at}", {"n": at}) for at in range(5)]
        rows.append(_item(9, "blue", {}, path="/p"))
        rows.append(_item(8, "blue", {}, path="/p"))
        query = f"SELECT {name}.lamina_documents_write('', $1)"
        assert await door.fetchval(query, json.dumps(rows)) == ["done"] * 6 + ["path"]
        assert await _find(door, name, "fox", F.n < 3) == await _ours(store, "fox", F.n < 3)
        for order in ("id", "path", "created_at", "updated_at"):
            for descending in (False, True):
                mine = await _ours(store, None, None, order, descending)
                assert (
                    await _find(door, name, None, None, order=order, descending=descending) == mine
                )
        plain = ("text", "{}", None, *indexed("text"))
        at = f"SELECT {name}.lamina_documents_write_at('', $1, $2, $3, $4, $5, $6, $7)"
        assert await door.fetchval(at, "/p", "new", *plain) == "d9"
        assert await door.fetchval(at, "/q", "d1", *plain) is None
        assert await door.fetchval(at, "/q", "new", *plain) == "new"
        change = f"SELECT {name}.lamina_documents_update('', $1, $2, null, null, null, null, null)"
        told = [await door.fetchval(change, *one) for one in (("d9", 2), ("d9", 2), ("no", 1))]
        assert told == [3, -3, None]


def _item(at: int, text: str, metadata: Any, path: str | None = None) -> dict[str, Any]:
    plain, exact = stored(Json.of(metadata))
    words, weights = indexed(text)
    return {
        "id": f"d{at}",
        "path": path,
        "content": text,
        "metadata": json.loads(plain),
        "exact": exact,
        "words": words,
        "weights": weights,
    }


async def _find(
    door: asyncpg.Connection,
    name: str,
    text: str | None,
    where: Filter | None,
    *,
    order: str = "rank",
    descending: bool = False,
) -> list[tuple[str, float]]:
    """Ask page by page, as the function gives them."""
    query = f"SELECT * FROM {name}.lamina_documents_find('', $1, $2, $3, $4, $5, $6, 2)"
    words = None if text is None else asked(text)
    condition = None if where is None else told(where)
    found: list[tuple[str, float]] = []
    value, last = None, None
    while rows := await door.fetch(query, words, condition, order, descending, value, last):
        found += [(row["id"], row["score"]) for row in rows]
        last = rows[-1]["id"]
        by = -rows[-1]["score"] if order == "rank" else rows[-1][order]
        value = json.dumps("" if by is None else by)
    return found


async def _ours(
    store: Any, text: str | None, where: Filter | None, order: Any = None, descending: bool = False
) -> list[tuple[str, float]]:
    page = await store.bound.send(Find(text, where, order, descending, limit=100))
    return [(one.document.id, one.score) for one in page.items]


async def test_pages_by_score_stay_exact_while_others_write(postgres: Postgres) -> None:
    async with documents(postgres.database()) as store:
        stay = [f"s{place:03}" for place in range(40)]
        await store.set_many([Write(id_, f"fox {'x ' * at}") for at, id_ in enumerate(stay)])
        seen: list[str] = []
        cursor: str | None = None
        for turn in range(100):
            page = await store.bound.send(Find("fox", cursor=cursor, limit=3))
            seen += [one.document.id for one in page.items]
            await store.set_many([Write(f"o{turn}{n}", "fox fox and others") for n in range(5)])
            await store.delete(f"o{turn}1")
            cursor = page.next
            if cursor is None:
                break
        assert [id_ for id_ in seen if id_.startswith("s")] == stay


async def test_long_words_and_texts_beyond_a_megabyte_of_words_are_found(
    postgres: Postgres,
) -> None:
    many = " ".join(f"word{number}" for number in range(200_000))
    long, other = "a" * 40_000, "a" * 32_768 + "b"
    async with documents(postgres.database(), timeout=20.0) as store:
        await store.set("many", f"{many} {long}")
        await store.set("short", "a word100000")
        for query, wanted in (("word199999", ["many"]), (long, ["many"]), (other, ["many"])):
            assert [one.document.id for one in await store.search(query)] == wanted
        assert [one.document.id for one in await store.search("word100000")] == ["short", "many"]
        assert await store.search("a" * 300) == ()
        with pytest.raises(Invalid, match="at most 1000 words"):
            await store.search(many)


async def test_racers_for_a_new_path_make_one_document(postgres: Postgres) -> None:
    async with documents(postgres.database()) as store:
        told = await asyncio.gather(
            *(store.bound.send(WriteAt("/p", f"d{place}", str(place))) for place in range(50))
        )
        assert len(set(told)) == 1
        found = await store.by_path("/p")
        assert found is not None
        assert (found.id, found.version) == (told[0], 50)


async def test_a_batch_writes_what_is_twice_in_it_in_order(postgres: Postgres) -> None:
    async with documents(postgres.database()) as store:
        items = [Write("a", "1", path="/p"), Write("a", "2"), Write("b", "3", path="/p")]
        await store.set_many(items)
        found = await store.get_many(["a", "b"])
        assert [(one.content, one.version, one.path) for one in found if one] == [
            ("2", 2, None),
            ("3", 1, "/p"),
        ]
        bad = [Write("c", "1", Json(b"[1]")), Write("d", "2"), Write("e", "3", Json(b"{"))]
        told = await store.set_many(bad, outcomes=True)
        assert [isinstance(one, Done) for one in told] == [False, True, False]
        only = await store.set_many(bad[::2], outcomes=True)
        assert all(isinstance(one, Failed) and isinstance(one.error, Invalid) for one in only)


async def test_batches_that_overlap_do_not_wait_for_each_other(postgres: Postgres) -> None:
    async with documents(postgres.database()) as one, values(postgres.database()) as two:
        ids = [f"d{place}" for place in range(60)]
        rng = random.Random(1)
        for _ in range(5):
            await asyncio.gather(
                *(one.set_many([Write(id_, "") for id_ in rng.sample(ids, 60)]) for _ in range(6)),
                *(two.set_many(dict.fromkeys(rng.sample(ids, 60), b"1")) for _ in range(6)),
            )


async def test_a_batch_that_met_another_head_on_is_written_one_by_one(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    # PostgreSQL looks once, so long after a wait began: by then the other must wait for us too.
    postgres.run(f"ALTER DATABASE {url.rpartition('/')[2]} SET deadlock_timeout = '1s'")
    insert = f"INSERT INTO {name}.lamina_documents (id, path, content) VALUES ($1, $2, '')"
    async with (
        documents(url, schema=name, timeout=10.0) as store,
        session(url, "SET deadlock_timeout = '20s'", "BEGIN") as other,
        session(url) as watcher,
    ):
        await other.execute(insert, "x", "/b")
        items = [Write("a", "", path="/a"), Write("b", "", path="/b"), Write("c", "", path="/c")]
        ours = asyncio.ensure_future(store.set_many(items, outcomes=True))
        async with until() as more:
            while await watcher.fetchval(WAITING) is None:
                more()
        await other.execute(insert, "y", "/a")
        await other.execute("COMMIT")
        told = await ours
        assert [isinstance(one, Done) for one in told] == [False, False, True]
        assert {type(one.error) for one in told if isinstance(one, Failed)} == {Conflict}


async def test_a_version_beyond_what_the_server_counts_is_another(postgres: Postgres) -> None:
    async with documents(postgres.database()) as store:
        await store.set("a", "1")
        with pytest.raises(Conflict, match="has version 1"):
            await store.bound.send(Update("a", "2", None, 2**70))


async def test_tables_that_are_changed_meanwhile_are_asked_anew(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name, connections=1) as store, session(url) as admin:
        await store.set("a", b"1")
        assert await store.search("a") == ("a",)
        await admin.execute(f"ALTER TABLE {name}.lamina_keyvalue ALTER key TYPE varchar(2000)")
        assert await store.search("a") == ("a",)
        assert await store.get("a") == b"1"


@pytest.mark.parametrize("keys", [[], ["a"], ["a", "b"], ["a\x1fb", "a"], ["\x1f", "\x1f"]])
async def test_many_are_read_whatever_their_keys_hold(postgres: Postgres, keys: list[str]) -> None:
    async with values(postgres.database()) as store:
        await store.set_many({"a": b"1", "b": b"2", "a\x1fb": b"3", "\x1f": b"4"})
        assert await store.get_many(keys) == tuple([await store.get(key) for key in keys])
        assert await store.get_many([*keys, "no"]) == (*await store.get_many(keys), None)


async def test_a_batch_of_large_values_goes_in_parts(postgres: Postgres) -> None:
    async with values(postgres.database(), timeout=10.0) as store:
        large = {f"k{place}": bytes([place]) * 3_000_000 for place in range(8)}
        await store.set_many(large)
        assert await store.get_many(list(large)) == tuple(large.values())


async def test_the_index_finds_nearly_all_and_small_namespaces_all(postgres: Postgres) -> None:
    rng = random.Random(3)

    def drawn() -> Vector:
        return Vector.of([rng.gauss(0, 1) for _ in range(16)])

    url, name = postgres.database(), schema()
    async with (
        vectors(url, schema=name, exact_below=100) as by_index,
        vectors(url, schema=name, exact_below=10**9) as exact,
    ):
        items = [Upsert(f"v{place}", drawn()) for place in range(1500)]
        items += [Upsert(f"w{place}", drawn(), namespace="few") for place in range(120)]
        await by_index.set_many(items)
        hits = 0
        for _ in range(20):
            query = drawn()
            best = [one.id for one in await exact.search(query)]
            found = [one.id for one in await by_index.search(query)]
            hits += len(set(best) & set(found))
        assert hits >= 190
        few = await by_index.search(drawn(), top_k=120, namespace="few")
        assert {one.id for one in few} == {f"w{place}" for place in range(120)}
        async with session(url, "SET enable_seqscan = off") as admin:
            plan = await admin.fetch(
                f"EXPLAIN SELECT id FROM {name}.lamina_vectors ORDER BY "
                f"embedding::vector(16) <=> (SELECT embedding FROM {name}.lamina_vectors LIMIT 1) "
                "LIMIT 5"
            )
        assert "lamina_vectors_nearest" in str(plan)


async def test_a_search_by_a_vector_of_length_zero_asks_no_index(postgres: Postgres) -> None:
    async with vectors(postgres.database(), exact_below=1) as store:
        items = [Upsert(f"v{at}", Vector.of([1.0, float(at)])) for at in range(9)]
        await store.set_many(items)
        hits = await store.search(Vector.of([0.0, 0.0]), top_k=3)
        assert [(one.id, one.score) for one in hits] == [("v0", 0.5), ("v1", 0.5), ("v2", 0.5)]


async def test_a_dimension_that_was_not_committed_is_not_known(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with vectors(url, schema=name) as store, session(url) as admin:
        await admin.execute(
            f"CREATE FUNCTION {name}.fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'at the commit'; END $$;"
            f"CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON {name}.lamina_vectors_facts "
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}.fail()"
        )
        with pytest.raises(BackendError):
            await store.set("a", Vector.of([1.0, 0.0]))
        await admin.execute(f"DROP FUNCTION {name}.fail CASCADE")
        await store.set("a", Vector.of([1.0, 0.0]))
        query = f"SELECT value FROM {name}.lamina_vectors_facts WHERE name = 'dimension'"
        assert await admin.fetchval(query) == "2"


async def test_nobodys_function_stands_in_for_the_servers(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    postgres.run(
        "CREATE FUNCTION public.theirs(text[], text[]) RETURNS boolean LANGUAGE sql "
        "AS $$ SELECT true $$;"
        "CREATE OPERATOR public.@> (LEFTARG = text[], RIGHTARG = text[], FUNCTION = public.theirs)",
        dsn=url,
    )
    for pooler in (False, True):
        async with documents(url, schema=name, pooler=pooler) as store:
            await store.set("a", "red fox")
            assert await store.search("blue") == ()


async def test_a_vector_of_length_zero_stands_at_a_right_angle_to_all(postgres: Postgres) -> None:
    async with vectors(postgres.database()) as store:
        numbers = {"up": [0.0, 1.0], "down": [0.0, -1.0], "zero": [0.0, 0.0]}
        await store.set_many([Upsert(id_, Vector.of(each)) for id_, each in numbers.items()])
        hits = await store.search(Vector.of([0.0, 2.0]))
        assert [(one.id, one.score) for one in hits] == [("up", 1.0), ("zero", 0.5), ("down", 0.0)]
        hits = await store.search(Vector.of([0.0, 0.0]))
        assert [(one.id, one.score) for one in hits] == [("down", 0.5), ("up", 0.5), ("zero", 0.5)]


async def test_vectors_that_float32_could_not_measure_are_refused(postgres: Postgres) -> None:
    async with vectors(postgres.database()) as store:
        for numbers in ([1e30, 0.0], [1e-30, 0.0]):
            with pytest.raises(Invalid, match="length must be 0 or from 1e-15 to 1e"):
                await store.set("a", Vector.of(numbers))
            with pytest.raises(Invalid):
                await store.search(Vector.of(numbers))
        with pytest.raises(Invalid, match="namespace must have at most 1024"):
            await store.set("a", Vector.of([1.0, 0.0]), namespace="n" * 1025)
        with pytest.raises(Unsupported, match="dense vectors only"):
            await store.set("a", SparseVector((1,), (1.0,)))
        with pytest.raises(Invalid, match="at most 16000 numbers"):
            await store.set("a", Vector.of([1.0] * 16_001))
        with pytest.raises(Invalid, match="the cursor is none"):
            await store.bound.send(NearestPage(Vector.of([1.0, 0.0]), cursor="x"))


async def test_the_numbers_of_a_batch_are_not_unpacked_at_once(postgres: Postgres) -> None:
    async with vectors(postgres.database(), dimension=2_001, timeout=20.0) as store:  # no index
        items = [Upsert(f"v{at}", Vector.of([float(at + 1)] * 2_001)) for at in range(200)]
        tracemalloc.start()
        try:
            await store.set_many(items)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 200 * 2_001 * 16  # a float in a list takes 32 bytes
        assert (await store.info()).count == 200


async def test_one_bad_record_does_not_hinder_others(postgres: Postgres) -> None:
    async with vectors(postgres.database()) as store:
        told = await store.set_many(
            [
                Upsert("a", Vector.of([1.0, 0.0])),
                Upsert("b", Vector.of([1.0, 0.0, 0.0])),
                Upsert("c"),
                Upsert("d", sparse=SparseVector((1,), (1.0,))),
                Upsert("e", Vector.of([1.0, 0.0]), metadata=Json(b"1")),
                Upsert("f", Vector.of([0.0, 1.0]), namespace="n"),
            ],
            outcomes=True,
        )
        assert [isinstance(one, Done) for one in told] == [True, False, False, False, False, True]
        assert (await store.info()).count == 1
        assert await store.namespaces() == ("", "n")


def test_sql_is_written_for_one_schema_and_runs_in_any() -> None:
    text = "CREATE SCHEMA IF NOT EXISTS lamina; SELECT lamina.lamina_now() -- of Lamina"
    assert in_schema(text, "A b") == (
        'CREATE SCHEMA IF NOT EXISTS "A b"; SELECT "A b".lamina_now() -- of Lamina'
    )
