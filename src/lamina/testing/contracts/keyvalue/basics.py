"""Values come back as they were stored, under their key and no other."""

from __future__ import annotations

from typing import Final

import pytest

from lamina.domains.keyvalue import (
    Delete,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    KeyValue,
    Set,
    SetMany,
)
from lamina.errors import Invalid
from lamina.testing.clock import run
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.samples import NAMES, REFUSED
from lamina.values import Done, Stamped

_LARGE: Final = 10 * 1024 * 1024


class BasicKeyValue(BackendContract[KeyValue]):
    """Reads, writes, deletes, batches, scopes."""

    domain = "keyvalue"

    async def test_keeps_every_name_apart(self) -> None:
        async with self.opened(Get, Set, Delete) as store:
            for place, name in enumerate(NAMES):
                await store.set(name, str(place).encode())
            for place, name in enumerate(NAMES):
                assert await store.get(name) == str(place).encode(), ascii(name)
            for name in NAMES[::2]:
                assert await store.delete(name) is True, ascii(name)
            for place, name in enumerate(NAMES):
                left = str(place).encode() if place % 2 else None
                assert await store.get(name) == left, ascii(name)

    async def test_keeps_values_of_every_kind_and_size(self) -> None:
        kinds = [b"", b"\0", bytes(range(256)) * 3, b"null", b'{"a": 1}', "é\u2028".encode()]
        async with self.opened(Get, Set) as store:
            for value in [*kinds, bytes(_LARGE), b"x"]:
                await store.set("a", value)
                found = await store.get("a")
                assert type(found) is bytes
                assert found == value, f"{len(value)} bytes"

    async def test_refuses_names_that_some_store_could_not_hold(self) -> None:
        async with self.opened(Get, Set) as store:
            for name in REFUSED:
                with pytest.raises(Invalid):
                    await store.set(name, b"1")
                with pytest.raises(Invalid):
                    await store.get(name)
            assert [key async for key in store.scan()] == []

    async def test_absent_is_none_or_false(self) -> None:
        async with self.opened(Get, Set, Delete) as store:
            assert await store.get("a") is None
            assert await store.delete("a") is False
            await store.set("a", b"1")
            await store.set("a", b"2")
            assert await store.get("a", fresh=True) == b"2"
            assert await store.delete("a") is True
            assert await store.delete("a") is False
            assert await store.get("a") is None

    async def test_tells_when_an_answer_expires(self) -> None:
        async with self.opened(GetStamped, Set) as store:
            await store.set("a", b"1")
            await store.set("b", b"2", ttl=10)
            assert await store.bound.send(GetStamped("none")) == Stamped(None)
            assert await store.bound.send(GetStamped("a")) == Stamped(b"1")
            stamped = await store.bound.send(GetStamped("b"))
            now = store.bound.runtime.wall()
            assert stamped.value == b"2"
            assert stamped.expires_at is not None
            assert abs(stamped.expires_at - now - 10) <= 0.05

    async def test_answers_a_batch_in_the_order_asked(self) -> None:
        async with self.opened(GetMany, SetMany) as store:
            values = {f"k{place}": str(place).encode() for place in range(40)}
            assert await store.set_many(values) == (Done(None),) * 40
            keys = ["k3", "none", "k3", *reversed(values), "k0"]
            assert await store.get_many(keys) == tuple(values.get(key) for key in keys)
            told = await store.get_many(["none", "k1"], outcomes=True)
            assert told == (Done(None), Done(b"1"))

    async def test_tells_of_each_of_a_batch_when_it_expires(self) -> None:
        async with self.opened(GetStampedMany, Set) as store:
            await store.set("a", b"1")
            await store.set("b", b"2", ttl=10)
            await store.set("ключ", b"", ttl=1e9)
            asked = GetStampedMany(("b", "none", "a", "ключ", "b"))
            told = await store.bound.send(asked)
            now = store.bound.runtime.wall()
            assert told[1:3] == (Done(Stamped(None)), Done(Stamped(b"1")))
            found = [one.value for one in told if isinstance(one, Done)]
            assert [one.value for one in found] == [b"2", None, b"1", b"", b"2"]
            assert near(found[0].expires_at, now + 10, 0.05)
            assert found[0] == found[4]
            assert near(found[3].expires_at, now + 1e9, 0.05)

    async def test_answers_batches_of_any_length(self) -> None:
        async with self.opened(GetMany, GetStampedMany, SetMany) as store:
            values = {f"k{place}": str(place).encode() for place in range(1500)}
            await store.set_many(values)
            for length in (1, 2, 1000, 1001, 1500):
                keys = ["none", *[*values][: length - 1]]
                wanted = [values.get(key) for key in keys]
                told = await store.bound.send(GetStampedMany(tuple(keys)))
                assert told == tuple(Done(Stamped(value)) for value in wanted)
                assert await store.get_many(keys) == tuple(wanted)

    async def test_answers_an_empty_batch_with_nothing(self) -> None:
        async with self.opened(GetMany, GetStampedMany, SetMany) as store:
            assert await store.get_many([]) == ()
            assert await store.bound.send(GetStampedMany(())) == ()
            assert await store.set_many({}) == ()

    async def test_writes_a_batch_in_order(self) -> None:
        async with self.opened(SetMany, Get) as store:
            if store.bound.capabilities.offers(SetMany, "emulated"):
                pytest.skip("emulated batches write several items at once")
            await store.bound.send(SetMany((("a", b"1"), ("b", b"2"), ("a", b"3"))))
            assert await store.get("a") == b"3"
            assert await store.get("b") == b"2"

    async def test_confines_each_scope_to_its_own(self) -> None:
        async with self.opened(Get, Set, Delete) as store:
            pairs = [
                ("", "b"),
                ("", "a:b"),
                ("a", "b"),
                ("a:b", "b"),
                ("a:", "b"),
                ("b", "a"),
                ("%", "a"),
            ]
            pairs += [("", "a/b"), ("a/", "b"), ("..", "b"), ("a\\", "b"), ("é", "b"), ("_", "a")]
            views = [(store.scoped(scope) if scope else store, key) for scope, key in pairs]
            for place, (view, key) in enumerate(views):
                assert await view.get(key) is None, pairs[place]
                await view.set(key, str(place).encode())
            for place, (view, key) in enumerate(views):
                assert await view.get(key) == str(place).encode(), pairs[place]
            for place, (view, key) in enumerate(views):
                assert await view.delete(key) is True, pairs[place]
                assert await view.delete(key) is False, pairs[place]

    async def test_confines_batches_and_lists_to_a_scope(self) -> None:
        async with self.opened(GetMany, SetMany, Get) as store:
            acme = store.scoped("acme")
            await acme.set_many({"a": b"1", "b": b"2"})
            await store.set("c", b"3")
            assert await store.get_many(["a", "b", "c"]) == (None, None, b"3")
            assert await acme.get_many(["a", "b", "c"]) == (b"1", b"2", None)
            if GetStampedMany in store.bound.capabilities:
                told = await store.bound.send(GetStampedMany(("a", "c"), scope="acme"))
                assert told == (Done(Stamped(b"1")), Done(Stamped(None)))
            assert sorted([key async for key in acme.scan()]) == ["a", "b"]
            assert [key async for key in store.scan()] == ["c"]
            assert [key async for key in store.scoped("acm").scan()] == []

    def test_may_be_cancelled_anywhere(self) -> None:
        stores: list[KeyValue] = []

        async def scenario() -> None:
            store = self.store()
            stores.append(store)
            async with store:
                await store.set("a", b"old")
                await store.set("a", b"new")
                assert await store.get("a") == b"new"
                await store.delete("a")

        async def afterwards() -> None:
            async with self.opened(Get, Set) as store:
                await store.set("a", b"1")
                assert await store.get("a") == b"1"

        self.cancelled_anywhere(scenario)
        assert stores
        run(afterwards(), timeout_real=self.timeout_real)
