"""No answer is older than what a finished write left, in any of many seeded schedules."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from cache_race import PLACES, Papers, Plan, Race, Texts, races

from lamina.layers.batch import Batch
from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.eras import Eras
from lamina.layers.cache.fills import Fills
from lamina.layers.cache.lags import Lags
from lamina.layers.cache.many import ManyReader
from lamina.layers.cache.marks import Marks
from lamina.layers.retry import Retry, again
from lamina.testing.clock import explore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.layer import Layer

SCHEDULES = 600
OLD_ANSWERS = {"ttl": 1.0, "stale_while_revalidate": 3.0, "stale_if_error": 6.0}


def batch_and_retry() -> tuple[Layer, ...]:
    return Batch(), Retry(3, base=0.1, budget=None)


PLANS = {
    "values": Plan(),
    "expiring": Plan(options={"ttl": 2.0, "negative_ttl": 1.0}, ttls=(None, 1.0, 3.0)),
    "sliding": Plan(options={"ttl": 5.0, "idle": 1.0}, ttls=(None, 3.0)),
    "old-answers": Plan(options=OLD_ANSWERS, failing=0.3),
    "documents": Plan(way=Papers),
    "lagging": Plan(way=Texts, lag=3.0),
    "retried": Plan(below=lambda: (Retry(3, base=0.1, budget=None),), failing=0.2),
    "batched": Plan(below=batch_and_retry, failing=0.2, ttls=(None, 3.0), writers=4),
    "batched-documents": Plan(way=Papers, below=batch_and_retry, failing=0.2),
    "batched-vectors": Plan(
        way=Texts, options=OLD_ANSWERS, lag=3.0, below=batch_and_retry, failing=0.2
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_ca7_ca8_ca10_ca11_no_schedule_gives_a_stale_answer(name: str) -> None:
    explore(races(PLANS[name]), schedules=SCHEDULES)


def expect_stale(plan: Plan | None = None) -> None:
    with pytest.raises(AssertionError, match="stale"):
        explore(races(plan), schedules=SCHEDULES)


def as_if_nothing_happened(core: Core, fill: Fill, now: float) -> bool:
    """Give a fill the generations of now; tell whether there are any."""
    marks = core.take(tuple(mark.tag for mark in fill.marks if mark.tag), now)
    if marks is not None:
        fill.marks = marks
    return marks is not None


def test_without_the_fence_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Core.keep

    def unfenced(self: Core, fill: Fill, *told: Any, **more: Any) -> None:
        if as_if_nothing_happened(self, fill, told[2]):
            keep(self, fill, *told, **more)

    monkeypatch.setattr(Core, "keep", unfenced)
    expect_stale()


def test_without_the_keyed_flight_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Fill, "joinable", lambda _: True)
    expect_stale()


def test_without_the_doubt_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marks, "doubt", lambda *_: None)
    expect_stale()


def test_without_forgetting_on_writes_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Marks, "end", lambda *_, **__: None)
    expect_stale()


def test_without_ending_eras_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eras, "end", lambda *_: 0)
    expect_stale()


def test_without_the_clip_of_lagging_searches_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Lags, "until", lambda *_: None)
    expect_stale(PLANS["lagging"])


def test_without_the_fence_of_refreshes_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep, spawn = Core.keep, Fills.spawn
    refreshes: set[int] = set()

    def spawned(self: Fills, work: Any, name: str, flights: Any) -> None:
        refreshes.update(map(id, flights))
        spawn(self, work, name, flights)

    def unfenced(self: Core, fill: Fill, *told: Any, **more: Any) -> None:
        if id(fill) not in refreshes or as_if_nothing_happened(self, fill, told[2]):
            keep(self, fill, *told, **more)

    monkeypatch.setattr(Fills, "spawn", spawned)
    monkeypatch.setattr(Core, "keep", unfenced)
    expect_stale(PLANS["old-answers"])


def test_old_answers_that_a_write_ended_are_found_if_they_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Core, "is_true", lambda *_: True)
    expect_stale(PLANS["old-answers"])


def test_without_doubt_of_repeated_writes_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(again, "note_doubtful", lambda _: None)
    expect_stale(PLANS["retried"])


def test_joined_answers_that_have_expired_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def land(self: Fills, flight: Any, answer: Any, until: Any, call: Any) -> None:
        del self, until
        flight.land(answer, call)

    monkeypatch.setattr(Fills, "land", land)
    expect_stale(PLANS["expiring"])


async def crowd(seed: int) -> None:
    """Ask for all places in every way at once, with nothing written: each is asked for once."""
    race = Race(seed, Plan(options={"max_entries": 100}))
    works: list[Any] = []
    for _ in range(6):
        works += [race.read_all(""), race.read_all("tenant"), *map(race.read, PLACES)]
    race.rng.shuffle(works)

    async def soon(work: Any) -> None:
        await asyncio.sleep(race.rng.choice((0, 0, 0.1, 0.5)))
        await work

    await asyncio.gather(*map(soon, works))
    often = [place for place, reads in race.late.reads.items() if reads > 1]
    assert not often, f"asked more than once: {often}"


def crowds() -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: crowd(next(seeds))


def test_ca4_ca15_singles_and_batches_at_once_ask_for_each_key_once() -> None:
    explore(crowds(), schedules=SCHEDULES)


def test_without_batches_that_join_flights_keys_asked_for_twice_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def missing(self: Any, op: Any, asked: Any) -> Any:
        fills, table = self._fills, self._table
        begun = {name: fills.begin(table, name, one) for name, one in asked.items()}
        return await self._ask_or_spare(op, asked, begun)

    monkeypatch.setattr(ManyReader, "_missing", missing)
    with pytest.raises(AssertionError, match="more than once"):
        explore(crowds(), schedules=SCHEDULES)
