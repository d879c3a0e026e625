"""No answer is older than what a finished write left, in any of many seeded schedules."""

from __future__ import annotations

from typing import Any

import pytest
from cache_race import Papers, Plan, Texts, races

from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.eras import Eras
from lamina.layers.cache.lags import Lags
from lamina.layers.cache.marks import Marks
from lamina.testing.clock import explore

SCHEDULES = 600
PLANS = {
    "values": Plan(),
    "expiring": Plan(options={"ttl": 2.0, "negative_ttl": 1.0}, ttls=(None, 1.0, 3.0)),
    "documents": Plan(way=Papers),
    "lagging": Plan(way=Texts, lag=3.0),
    "old answers": Plan(
        options={"ttl": 1.0, "stale_while_revalidate": 3.0, "stale_if_error": 6.0}, failing=0.3
    ),
    "sliding": Plan(options={"ttl": 5.0, "idle": 1.0}, ttls=(None, 3.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_ca10_no_schedule_gives_a_stale_answer(name: str) -> None:
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
