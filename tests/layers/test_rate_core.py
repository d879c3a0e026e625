"""The token bucket: its envelope, every small use of it, and mutants that must be caught."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import mutant

from lamina import bucket
from lamina.bucket import Bucket

INTERVAL, BURST, DEPTH = 2.0, 2, 7


class World:
    """A bucket, and a plain count of its tokens in a time of whole seconds."""

    def __init__(self, module: Any) -> None:
        self.bucket = module.Bucket(INTERVAL, BURST)
        self.now = 0.0
        self.tokens = float(BURST)
        self.taken = 0
        self.wrong: list[str] = []

    def do(self, action: str) -> None:
        if action == "take":
            if self.bucket.take(self.now) != (self.tokens >= 1):
                self.wrong.append(f"{self.tokens} tokens, but take did not say so")
            if self.tokens >= 1:
                self.tokens -= 1
                self.taken += 1
        elif action == "give" and self.taken:
            self.bucket.give()
            self.tokens = min(self.tokens + 1, BURST)
            self.taken -= 1
        elif action == "advance":
            self.now += 1
            self.tokens = min(self.tokens + 1 / INTERVAL, BURST)
        elif action == "turn back":
            self.bucket.wait(self.now)  # what it has not seen it cannot count
            self.now -= 3
            self.bucket.wait(self.now)

    def look(self) -> None:
        for ahead in (0, 2):
            wanted = max(1 + ahead - self.tokens, 0) * INTERVAL
            if self.bucket.wait(self.now, ahead) != wanted:
                self.wrong.append(f"{self.tokens} tokens, {ahead} ahead: a wait of {wanted}")
        if self.bucket.tokens(self.now) != int(self.tokens):
            self.wrong.append(f"{self.tokens} tokens, told {self.bucket.tokens(self.now)}")
        if self.bucket.is_full(self.now) != (self.tokens == BURST):
            self.wrong.append(f"{self.tokens} tokens, full {self.bucket.is_full(self.now)}")


def explore(module: Any) -> list[str]:
    """Replay each sequence of up to so many actions, and look; return what the first bad shows."""
    for depth in range(1, DEPTH + 1):
        for actions in product(("take", "give", "advance", "turn back"), repeat=depth):
            world = World(module)
            for action in actions:
                world.do(action)
            world.look()
            if world.wrong:
                return world.wrong
    return []


def test_rl1_no_use_of_a_bucket_makes_or_loses_a_token() -> None:
    assert explore(bucket) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("full_at += self.interval\n", "pass\n"),
        ("full_at = self.full_at if self.full_at > now else now", "full_at = self.full_at"),
        ("if full_at - now > self._span and", "if full_at - now >= self._span and"),
        ("self.full_at = full_at\n", "pass\n"),
        ("self.full_at -= self.interval", "pass"),
        ("self.full_at -= self._now - now", "pass"),
        ("        self._now = now\n        full_at = max", "        full_at = max"),
        ("(1 + ahead) * self.interval", "(2 + ahead) * self.interval"),
        ("(1 + ahead) * self.interval", "self.interval"),
        ("self._span = burst * interval", "self._span = (burst + 1) * interval"),
        ("return self.full_at <= now", "return self.full_at < now"),
        ("return max(full_at - now - self._span, 0.0)", "return full_at - now - self._span"),
        ("max(self.full_at, now) + (1", "self.full_at + (1"),
        ("max(self.burst - math.ceil(", "max(self.burst - math.floor("),
    ],
)
def test_a_broken_bucket_is_caught(old: str, new: str) -> None:
    if new.startswith("if full_at - now >="):
        new += " False and"  # with the closeness gone too, the bound itself must show
    assert explore(mutant(bucket, old, new))


rates = st.floats(1e-3, 1e5)
steps = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-6, 100.0), st.floats(1e-9, 1e-3)), min_size=1, max_size=60
)


@given(rate=rates, burst=st.integers(1, 20), steps=steps, start=st.sampled_from([0.0, 1e5, 1e9]))
def test_rl1_any_window_admits_at_most_its_rate_and_the_burst(
    rate: float, burst: int, steps: list[float], start: float
) -> None:
    made, now, admitted = Bucket(1 / rate, burst), start, list[float]()
    for step in steps:
        now += step
        admitted += [now for _ in range(burst + 2) if made.take(now)]

    close = 4 * max(1e-9, 4 * math.ulp(now)) * rate + 1e-6
    for first, began in enumerate(admitted):
        for last in range(first, len(admitted)):
            window = admitted[last] - began
            assert last - first + 1 <= rate * window + burst + close


@given(rate=rates, burst=st.integers(1, 5), start=st.sampled_from([0.0, 0.1, 1e5, 1e9]))
def test_rl1_after_the_wait_that_was_told_there_is_a_token(
    rate: float, burst: int, start: float
) -> None:
    made, now = Bucket(1 / rate, burst), start
    for _ in range(100):
        if not made.take(now):
            wait = made.wait(now)
            assert wait > 0
            now += wait
            assert made.take(now)


def test_a_bucket_holds_what_comes_in_its_time_unless_told() -> None:
    assert Bucket.of(5, 1, None).burst == 5
    assert Bucket.of(0.5, 1, None).burst == 1
    assert Bucket.of(5, 60, 2).burst == 2
    assert Bucket.of(5, 60, 2).interval == 12


def test_a_clock_that_jumps_far_gives_a_full_bucket_and_no_more() -> None:
    made = Bucket(1.0, 3)
    for now in (0.0, 1e12, -1e12, 5.0):
        assert [made.take(now) for _ in range(4)] in ([True] * 3 + [False], [False] * 4)


def jumps_back(module: Any) -> list[bool]:
    """Take at 10 s, then at 0 s and 1 s of a clock that was set back, with nothing between."""
    made = module.Bucket(1.0, 1)
    return [made.take(10.0), made.take(0.0), made.take(1.0)]


def test_rl1_a_clock_that_was_set_back_holds_nobody_up() -> None:
    assert jumps_back(bucket) == [True, False, True]
    forgets = mutant(
        bucket, "        self._now = now\n        full_at = self", "        full_at = self"
    )
    assert jumps_back(forgets) == [True, False, False]
