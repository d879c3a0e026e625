"""Layers in any order: a stack is refused with the code of a rule, or does what all stacks must."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any, Final

import pytest
from stack_draws import MEMORY, Draw

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Append, Delete, Get, GetMany, Set
from lamina.domains.media import Chunk, Info
from lamina.errors import StackError, StorageError, Throttled, TimedOut, Unavailable, Unsupported
from lamina.plan import Worst
from lamina.rules import RULES
from lamina.stack import Stack
from lamina.testing import run, sweep
from lamina.testing.faulty import Faulty
from lamina.testing.samples import SAMPLES
from lamina.values import Json, Page

SEEDS: Final = 640
PARTS: Final = 16
"""The seeds are tried in so many tests."""


def seeds(part: int) -> range:
    return range(part, SEEDS, PARTS)


def stack_of(seed: int, domain: str = "keyvalue") -> Stack | None:
    """Return the stack of that seed, None if it is refused, which must name a rule."""
    layers = Draw(random.Random(seed), domain).layers()
    try:
        return Stack(*layers)
    except StackError as error:
        told = str(error)
    assert told.partition(": ")[0] in RULES, told
    return None


def test_many_are_legal_and_many_are_not() -> None:
    legal = [stack for seed in range(SEEDS) if (stack := stack_of(seed)) is not None]
    assert SEEDS * 0.4 < len(legal) < SEEDS * 0.8
    assert max(len(stack.layers) for stack in legal) >= 7


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("domain", list(SAMPLES))
async def test_a_legal_stack_changes_no_answer_of_a_healthy_backend(domain: str, part: int) -> None:
    for seed in seeds(part):
        stack = stack_of(seed, domain)
        if stack is None:
            continue
        store, plain = stack.over(MEMORY[domain]()), Stack().over(MEMORY[domain]())
        async with store, plain:
            for op in SAMPLES[domain] * 2:
                told = await outcome(store, op)
                if type(op) not in store.bound.capabilities:
                    assert told is Unsupported
                elif type(op).__name__ not in {"Begin", "PutPart", "Finish", "Abort"}:
                    same = alike(told, await outcome(plain, op), stack)
                    assert same, f"seed {seed}: {op} in {stack}"


def alike(told: Any, expected: Any, stack: Stack) -> bool:
    """Tell whether answers are the same; the ETag of what is sealed is another each time."""
    if any(layer.slot == "seal" for layer in stack.layers):
        told, expected = without_etag(told), without_etag(expected)
    return bool(told == expected)


def without_etag(answer: Any) -> Any:
    if isinstance(answer, Info):
        return replace(answer, etag="")
    if isinstance(answer, Chunk):
        return replace(answer, info=without_etag(answer.info))
    if isinstance(answer, Page):
        return replace(answer, items=tuple(map(without_etag, answer.items)))
    return answer


async def outcome(store: Any, op: Any) -> Any:
    try:
        return await store.bound.send(op)
    except Exception as error:  # compared by its type
        return type(error)


@pytest.mark.parametrize("part", range(PARTS))
def test_c5_a_cancellation_crosses_a_random_stack_and_leaves_nothing_behind(part: int) -> None:
    for seed in seeds(part):
        if stack_of(seed) is None:
            continue
        stores: list[Any] = []

        async def scenario(seed: int = seed, stores: list[Any] = stores) -> None:
            store, _ = faulty(seed, 0.3)
            stores.append(store)
            async with store:
                await asyncio.gather(*(outcome(store, op) for op in OPS))

        def after(seed: int = seed, stores: list[Any] = stores) -> None:
            held = permits_of(stores[-1])
            assert not any(held.values()), f"seed {seed}: {held} in {stack_of(seed)}"

        try:
            sweep(scenario, after=after, seed=seed, most=3)
        except AssertionError as error:
            error.add_note(f"seed {seed}: {stack_of(seed)}")
            raise


def permits_of(store: Any) -> dict[str, int]:
    """Return what is still taken of what layers lend to calls."""
    held: dict[str, int] = {}
    for layer in store.bound._layers:
        for name in ("running", "waiting"):
            if hasattr(layer, "status"):
                held[f"{layer.slot} {name}"] = getattr(layer.status(), name, 0)
        if layer.slot == "breaker":
            held["probes"] = len(layer._circuit._out)
    return held


OPS: Final = (
    *(Get("a"), Set("a", b"1"), Get("b"), GetMany(("a", "b"))),
    *(Append("list", (Json.of(1),)), Delete("a"), Get("a")),
)


def faulty(seed: int, error_rate: float, *, hangs: bool = False) -> tuple[Any, Faulty[Any]]:
    """Return a store over a backend that fails at random, and that backend."""
    rng = random.Random(seed)

    def error() -> StorageError:
        kind = rng.choice([Unavailable, TimedOut, Throttled])
        return kind("injected", retry_after=rng.choice([None, None, 0.01, 1.0]))

    def latency(rng: random.Random) -> float:
        return rng.choice([0.0, 0.01, 0.05, 0.2, 1000.0 if hangs else 0.0])

    backend = Faulty(
        MemoryKeyValue(), rng, error_rate=error_rate, after_commit=0.5, latency=latency, error=error
    )
    stack = stack_of(seed)
    assert stack is not None
    return stack.over(backend), backend


@pytest.mark.parametrize("part", range(PARTS))
def test_a_legal_stack_keeps_what_its_plan_says_while_the_backend_fails(part: int) -> None:
    for seed in seeds(part):
        if stack_of(seed) is not None:
            run(keeps_its_plan(seed))


async def keeps_its_plan(seed: int) -> None:
    planned, _ = faulty(seed, 0.5)
    worst = {op.operation: op.worst for op in planned.bound.plan().operations}
    bounded = all(op.seconds is not None for op in worst.values())
    store, backend = faulty(seed, 0.5, hangs=bounded)
    counted = count(backend)
    loop = asyncio.get_running_loop()
    async with store:
        for op in OPS * 4:
            before, began = counted[0], loop.time()
            error = await failure(store, op)
            most = worst.get(type(op).__name__, Worst(0, 0.0))
            told = f"seed {seed}: {op} in {stack_of(seed)}: {error!r}"
            assert error is None or (error.brief is not None and error.backend == backend.name), (
                told
            )
            assert counted[0] - before <= most.attempts, told
            assert most.seconds is None or loop.time() - began <= most.seconds + 1e-6, told
            await asyncio.sleep(0.02)


async def failure(store: Any, op: Any) -> StorageError | None:
    try:
        await store.bound.send(op)
    except StorageError as error:  # any other is a defect, and comes out
        return error
    return None


def count(backend: Faulty[Any]) -> list[int]:
    """Count the attempts that reach *backend*."""
    counted, play = [0], backend._play

    async def counting(op: Any, inner: Any) -> Any:
        counted[0] += 1
        return await play(op, inner)

    vars(backend)["_play"] = counting
    return counted
