"""Scope lets only tenants through, each at its own pace."""

from __future__ import annotations

import asyncio
import copy
import types
from typing import Any

import pytest
from holding import Holding, clock
from mutants import mutant

from lamina.backends import memory
from lamina.bucket import Bucket
from lamina.errors import Invalid, RateLimited, StackError
from lamina.layers.retry import Retry
from lamina.layers.scope import Scope, tenants
from lamina.layers.scope.layer import ScopeStatus
from lamina.stack import Stack
from lamina.testing.samples import SAMPLES

MEMORY = {
    "keyvalue": memory.MemoryKeyValue,
    "documents": memory.MemoryDocuments,
    "vectors": memory.MemoryVectors,
    "media": memory.MemoryMedia,
}


def status(store: Any) -> ScopeStatus:
    found = store.bound.layer(Scope)
    assert isinstance(found, Scope)
    return found.status()


@pytest.mark.parametrize("domain", list(SAMPLES))
async def test_every_operation_of_no_tenant_is_refused_but_the_health_check(domain: str) -> None:
    store: Any = Stack(Scope()).over(MEMORY[domain]())

    for op in SAMPLES[domain]:
        if type(op).__name__ == "Check":
            await store.bound.send(op)
        elif type(op) in store.bound.capabilities:
            with pytest.raises(Invalid, match=r"use store\.scoped") as caught:
                await store.bound.send(op)
            assert (caught.value.sent, caught.value.layer) == ("no", "scope")

    served = sum(type(op) in store.bound.capabilities for op in SAMPLES[domain])
    assert status(store).unscoped == served - 1


async def test_a_tenants_operations_pass_singly_and_in_batches() -> None:
    backend = memory.MemoryKeyValue()
    store = Stack(Scope()).over(backend)
    acme = store.scoped("acme")

    await acme.set("a", b"1")
    await acme.set_many({"b": b"2"})

    assert await acme.get_many(["a", "b"]) == (b"1", b"2")
    assert await Stack().over(backend).get("a") is None
    with pytest.raises(Invalid):
        await store.get_many(["a"])


async def test_each_tenant_has_a_quota_of_its_own() -> None:
    store = Stack(Scope(rate=2)).over(Holding(0.0))
    acme, other = store.scoped("acme"), store.scoped("other")

    await asyncio.gather(acme.get("a"), acme.get("b"))
    with pytest.raises(RateLimited, match=r"the tenant's quota is spent for another 0\.5 s") as one:
        await acme.get("c")
    assert await other.get("a") == b"a"

    assert (one.value.sent, one.value.layer) == ("no", "scope")
    assert one.value.retry_after == pytest.approx(0.5)
    await asyncio.sleep(0.5)
    assert await acme.get("c") == b"c"
    with pytest.raises(RateLimited):
        await acme.get("d")
    assert status(store) == ScopeStatus(tenants=2, unscoped=0, limited=2)


@pytest.mark.parametrize("name", ["\0", "a" * 100_000, "\ud800"], ids=["nul", "huge", "no text"])
async def test_a_hostile_name_never_reaches_the_backend(name: str) -> None:
    backend = Holding(0.0)
    store = Stack(Scope(rate=5)).over(backend)

    with pytest.raises(Invalid):
        await store.scoped(name).get("a")

    assert backend.began == []
    assert status(store).tenants == 0


@pytest.mark.parametrize("name", ["a/b/../c", "../x", " ", "a:b", "%00"])
async def test_a_strange_name_is_a_tenant_like_others(name: str) -> None:
    store = Stack(Scope()).over(memory.MemoryKeyValue())

    await store.scoped(name).set("k", b"v")

    assert await store.scoped(name).get("k") == b"v"
    assert await store.scoped("x").get("k") is None


async def test_a_tenant_that_floods_costs_no_other_a_token() -> None:
    store = Stack(Scope(rate=1, burst=2)).over(Holding(0.0))
    loud, quiet = store.scoped("loud"), store.scoped("quiet")

    flood = [loud.get(f"{n}") for n in range(100)]
    *told, first, second = await asyncio.gather(
        *flood, quiet.get("a"), quiet.get("b"), return_exceptions=True
    )

    assert sum(isinstance(one, RateLimited) for one in told) == 98
    assert (first, second) == (b"a", b"b")


async def test_without_strictness_what_names_no_tenant_passes_uncounted() -> None:
    store = Stack(Scope(strict=False, rate=1)).over(Holding(0.0))

    assert [await store.get("a") for _ in range(3)] == [b"a"] * 3

    assert status(store) == ScopeStatus(0, 0, 0)


async def test_a_retry_below_is_one_call_of_the_tenant() -> None:
    store = Stack(Scope(rate=1, burst=2), Retry(3)).over(Holding(0.0))

    assert [await store.scoped("acme").get("a") for _ in range(2)] == [b"a"] * 2
    assert clock() == 0.0


def test_a_layer_with_nothing_to_refuse_costs_nothing() -> None:
    plan = Stack(Scope(strict=False)).over(Holding()).bound.plan()

    assert {op.slots for op in plan.operations} == {()}


MOST, INTERVAL, BURST = 2, 1.0, 1


class World:
    """Tenants, and what each must have left by a count of our own."""

    def __init__(self, module: types.ModuleType) -> None:
        self.tenants = module.Tenants(lambda: Bucket(INTERVAL, BURST), MOST)
        self.now = 0.0
        self.own: dict[str, float] = {}
        self.rest = float(BURST)
        self.looked = -INTERVAL
        self.wrong: list[str] = []

    def do(self, action: str) -> None:
        if action == "advance":
            self.now += 1
            self.own = {name: min(left + 1, BURST) for name, left in self.own.items()}
            self.rest = min(self.rest + 1, BURST)
            return
        due = self.now - self.looked >= INTERVAL
        if action not in self.own and len(self.own) >= MOST and due:
            self.looked = self.now
            self.own = {name: left for name, left in self.own.items() if left < BURST}
        if action in self.own or len(self.own) < MOST:
            left = self.own.setdefault(action, BURST)
            self.own[action] = left - (left >= 1)
        else:
            left, self.rest = self.rest, self.rest - (self.rest >= 1)
        wait = self.tenants.take(action, self.now)
        if wait != (None if left >= 1 else (1 - left) * INTERVAL):
            self.wrong.append(f"{action} has {left} left and is told {wait}")
        if len(self.tenants) > MOST:
            self.wrong.append(f"{len(self.tenants)} buckets")


def explore(module: types.ModuleType, depth: int = 6) -> list[str]:
    """Walk every sequence of so many actions; return what is wrong with the first bad one."""
    todo = [(World(module), 0)]
    while todo:
        world, done = todo.pop()
        if done == depth:
            continue
        for action in ("acme", "other", "third", "fourth", "advance"):
            after = copy.deepcopy(world)
            after.do(action)
            if after.wrong:
                return after.wrong
            todo.append((after, done + 1))
    return []


def test_no_sequence_gives_a_tenant_what_is_not_his() -> None:
    assert explore(tenants) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("                return self._rest\n", "                pass\n"),
        ("if not bucket.is_full(now)", "if bucket.is_full(now)"),
        ("if not bucket.is_full(now)", ""),
        ("        self._buckets = kept\n", "        pass\n"),
        ("self._buckets.get(tenant) or ", ""),
        ("        return bucket.wait(now)", "        return 0.0"),
        ("if now - self._looked < self._rest.interval:", "if True:"),
    ],
)
def test_broken_tenants_are_caught(old: str, new: str) -> None:
    assert explore(mutant(tenants, old, new))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strict": 1}, "strict must be"),
        ({"strict": None}, "strict must be"),
        ({"rate": 0}, "rate must be"),
        ({"rate": float("nan")}, "rate must be"),
        ({"rate": "5"}, "rate must be"),
        ({"rate": 1, "per": 0}, "per must be"),
        ({"rate": 1e308, "per": 1e-308}, "rate must give"),
        ({"rate": 1, "burst": 10**13}, "burst must be"),
        ({"rate": 1, "burst": 0}, "burst must be"),
        ({"burst": 5}, "burst needs a rate"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Scope: {told}"):
        Scope(**options)
