"""Appends and counters leave the very bytes that the interface's own rules give."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina.backends.redis import RedisKeyValue
from lamina.backends.redis.names import once_of, proof_of, wire
from lamina.backends.redis.updates import KEPT
from lamina.domains.keyvalue import Append, Increment
from lamina.domains.lists import appended, counted
from lamina.errors import Corrupt, Invalid
from lamina.stack import Stack
from lamina.testing.servers import OldRedis, Redis, Valkey
from lamina.values import Json

pytestmark = pytest.mark.server
MANY = settings(
    derandomize=True,
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

NUMBERS = some.integers() | some.integers(2**53, 2**70) | some.floats(allow_nan=False, width=64)
SCALARS = some.none() | some.booleans() | NUMBERS.filter(lambda n: abs(n) < 1e300) | some.text()
VALUES = some.recursive(
    SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=8
)
ITEMS = some.lists(
    VALUES.filter(lambda value: encodable(value)),  # noqa: PLW0108  # it is defined below
    min_size=1,
    max_size=3,
)
SPACED = [
    {},
    {"ensure_ascii": False},
    {"indent": 1},
    {"separators": (",", ":")},
    {"separators": (" , ", " :\t")},
]


def encodable(value: Any) -> bool:
    try:
        Json.of([value])
    except Invalid:
        return False
    return True


def steps() -> some.SearchStrategy[list[Any]]:
    written = some.tuples(some.lists(VALUES, max_size=4), some.sampled_from(SPACED)).map(
        lambda pair: dumped(*pair)
    )
    odd = some.sampled_from(
        [
            *(b"", b"{}", b"[1", b"[NaN]", b"[1e999]", b'["\\ud800"]', b" [1]\n", b"[]", b"[ ]"),
            *(b"\xff", b"[" * 400 + b"]" * 400, b"[1.0, 10000000000000000000000, -0, 1E2]"),
            *(b'"[1]"', b"null"),
        ]
    )
    append = some.tuples(ITEMS, some.sampled_from([None, None, 1, 2, 5]))
    return some.lists(some.one_of(append, append, written, odd), max_size=8)


def dumped(value: list[Any], form: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, **form).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


@MANY
@given(steps=steps())
def test_a_list_holds_the_bytes_that_the_rules_give(valkey: Valkey, steps: list[Any]) -> None:
    url = valkey.database()

    async def play() -> None:
        stored: bytes | None = None
        async with (
            Stack().over(RedisKeyValue(url)) as store,
            redis.asyncio.Redis.from_url(url) as other,
        ):
            for step in steps:
                if isinstance(step, bytes):
                    await other.set("a", step)
                    stored = step
                    continue
                items, keep = tuple(Json.of(item) for item in step[0]), step[1]
                try:
                    stored, wanted = appended(stored, items, keep)
                except (Invalid, Corrupt) as error:
                    with pytest.raises(type(error)):
                        await store.bound.send(Append("a", items, keep_last=keep))
                else:
                    assert await store.bound.send(Append("a", items, keep_last=keep)) == wanted
                assert await other.get("a") == stored

    asyncio.run(play())


@MANY
@given(
    stored=some.one_of(
        some.none(),
        some.integers(-(2**64), 2**64).map(lambda n: b"%d" % n),
        some.sampled_from([b"", b"007", b"-0", b"+1", b" 1", b"1 ", b"1\0", b"0x1", b"-", b"00"]),
        some.sampled_from(
            [b"-009", b"1_0", "\u0661".encode(), b"1\n", b"9" * 19, b"-" + b"9" * 19]
        ),
        some.binary(max_size=21),
    ),
    by=some.one_of(
        some.integers(-5, 5),
        some.integers(-(2**65), 2**65),
        some.sampled_from([10**18 - 1, 10**18, -(10**18), 2**63 - 1, -(2**63), 2**64]),
    ),
)
def test_a_counter_holds_the_bytes_that_the_rules_give(
    valkey: Valkey, stored: bytes | None, by: int
) -> None:
    url = valkey.database()

    async def play() -> None:
        async with (
            Stack().over(RedisKeyValue(url)) as store,
            redis.asyncio.Redis.from_url(url) as other,
        ):
            if stored is not None:
                await other.set("a", stored)
            try:
                wanted = counted(stored, by)
            except Invalid:
                with pytest.raises(Invalid):
                    await store.bound.send(Increment("a", by))
                assert await other.get("a") == stored
            else:
                assert await store.bound.send(Increment("a", by)) == wanted
                assert await other.get("a") == b"%d" % wanted

    asyncio.run(play())


async def test_a_list_spaced_by_another_program_is_made_anew_once() -> None:
    with Valkey() as server:
        async with (
            Stack().over(RedisKeyValue(server.url)) as store,
            redis.asyncio.Redis.from_url(server.url) as other,
        ):
            await store.append("told the scripts", 1)
            await other.set("told the scripts", "[ ]")
            await store.append("told the scripts", 1)
            await other.set("a", json.dumps([{"role": "user", "content": "é"}, 2**63]), ex=100)
            await other.config_resetstat()

            lengths = [await store.append("a", place) for place in range(3)]

            told = await other.info("commandstats")
            assert told["cmdstat_evalsha"]["calls"] == 4  # three appends, one list made anew
            assert lengths == [3, 4, 5]
            stored = await other.get("a") or b""
            assert json.loads(stored) == [{"role": "user", "content": "é"}, 2**63, 0, 1, 2]
            assert stored == Json.of(json.loads(stored)).data
            assert 95 < await other.ttl("a") <= 100


@pytest.mark.parametrize("foreign", [False, True])
async def test_racers_lose_nothing_of_a_list_that_another_program_began(
    valkey: Valkey, foreign: bool
) -> None:
    url = valkey.database()
    async with (
        Stack().over(RedisKeyValue(url)) as one,
        Stack().over(RedisKeyValue(url)) as two,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        if foreign:
            await other.set("a", "[ -1 ]")
        began = asyncio.get_running_loop().time()

        lengths = await asyncio.gather(
            *((one, two)[place % 2].append("a", place) for place in range(100))
        )

        assert sorted(lengths) == list(range(1 + foreign, 101 + foreign))
        assert sorted(json.loads(await other.get("a") or b"")) == list(range(-int(foreign), 100))
        assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize(
    "items", [[["a,]", '"', "\\", '\\"', {"b": ["}", "{", ",\\"]}]], ["\\\\", 5]]
)
async def test_old_items_are_dropped_at_their_ends(valkey: Valkey, items: list[Any]) -> None:
    async with Stack().over(RedisKeyValue(valkey.database())) as store:
        for keep in range(5, 0, -1):
            await store.delete("a")
            for item in [*items, *items, 1, items]:
                await store.append("a", item)
            await store.append("a", "last", keep_last=keep)
            wanted = [*items, *items, 1, items, "last"][-keep:]
            assert await store.get("a") == Json.of(wanted).data


async def test_answers_of_appends_are_kept_for_a_day_beside_the_list(valkey: Valkey) -> None:
    url = valkey.database()
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        await store.append("a", 1, idempotency="once")
        await store.append("b", 1)

        names = {
            wire("", "a"),
            wire("", "b"),
            proof_of(b"a"),
            proof_of(b"b"),
            once_of(b"a", "once"),
        }
        assert set(await other.keys()) == names
        for name in (proof_of(b"a"), once_of(b"a", "once")):
            assert 0 < KEPT - await other.ttl(name) + 1 < 10
        assert await other.ttl("a") == -1
        assert sorted([key async for key in store.scan()]) == ["a", "b"]

        await other.pexpire(once_of(b"a", "once"), 1)
        while await other.exists(once_of(b"a", "once")):
            await asyncio.sleep(0.001)
        assert await store.append("a", 1, idempotency="once") == 2


async def test_an_append_with_a_known_key_reads_nothing_anew(valkey: Valkey) -> None:
    url = valkey.database()
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        assert await store.append("a", 1, idempotency="once", keep_last=9) == 1
        await other.set("a", "no list at all")

        assert await store.append("a", 1, idempotency="once") == 1
        with pytest.raises(Invalid, match="not a JSON list"):
            await store.append("a", 1, idempotency="twice")


async def test_a_large_list_is_worked_on_beside_the_loop(valkey: Valkey) -> None:
    url = valkey.database()
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        large = [{"role": "user", "content": "x" * 200}] * 20_000
        await other.set("a", json.dumps(large))

        assert await store.append("a", "last") == 20_001
        assert await store.append("a", "y" * 3_000_000, keep_last=2) == 2
        assert json.loads(await other.get("a") or b"") == ["last", "y" * 3_000_000]


async def test_scripts_are_told_again_to_a_server_that_forgot_them(valkey: Valkey) -> None:
    url = valkey.database()
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        assert await store.append("a", 1) == 1
        await other.script_flush()
        assert await store.append("a", 1) == 2
        await other.script_flush()
        assert await store.increment("b") == 1


@pytest.mark.parametrize("server", ["valkey", "redis8", "redis62"])
async def test_a_counter_begins_with_its_time_and_keeps_it(
    server: str, request: pytest.FixtureRequest
) -> None:
    running: Valkey | Redis | OldRedis = request.getfixturevalue(server)
    url = running.database()
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        await other.set("odd", "007", px=100_000)
        assert await store.increment("odd") == 8
        assert 99_000 < await other.pttl("odd") <= 100_000
        await other.set("odd", "007", px=100_000)
        assert await store.increment("odd", ttl=0.5) == 8
        assert 0 < await other.pttl("odd") <= 500
        assert await store.increment("new", ttl=0.0001) == 1
        assert await other.pttl("new") in {-2, 0, 1}
