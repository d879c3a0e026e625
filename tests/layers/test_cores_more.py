"""Edges of the pure cores that the model checkers do not walk to: exact values, exact limits."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from lamina.bucket import _FAR as FAR
from lamina.bucket import Bucket, check_pace
from lamina.budget import Budget
from lamina.domains.keyvalue import Append, Get, Scan
from lamina.errors import (
    AuthError,
    CircuitOpen,
    LimitReached,
    RateLimited,
    StackError,
    Throttled,
    Unavailable,
)
from lamina.layers.breaker import Breaker, State, Verdict
from lamina.layers.breaker.core import Circuit
from lamina.layers.breaker.options import settings_of
from lamina.layers.breaker.window import Window
from lamina.layers.cache.binding import stats_of
from lamina.layers.cache.bounds import Bounds, lifetime
from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.eras import matcher
from lamina.layers.cache.lags import Lags
from lamina.layers.cache.marks import Marks
from lamina.layers.cache.sizes import OVERHEAD, weigh
from lamina.layers.hedge.core import Delays, Load
from lamina.layers.limit.core import Permits
from lamina.layers.retry import Retry
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.values import Json

ADD = Append("a", (Json.of(1),))


def test_a_budget_is_full_at_first_and_counts_each_denial() -> None:
    budget = Budget(20)
    assert (budget.tokens, budget.capacity, budget.denied) == (20, 20, 0)
    assert [budget.take(15), budget.take(6), budget.take(6), budget.take(5)] == [
        *(True, False, False, True),
    ]
    assert (budget.tokens, budget.denied) == (0, 2)
    budget.give(3)
    budget.give(4)
    assert budget.tokens == 7
    assert Budget().capacity == 500


def test_a_budget_without_end_denies_nothing() -> None:
    budget = Budget(None)
    assert budget.take(10**12)
    budget.give(1)
    assert (budget.tokens, budget.denied) == (math.inf, 0)


def policy_of(retry: Retry) -> Any:
    """Return what the options of a retry decide, as its stack has it."""
    made: Any = Stack(retry).over(ScriptedKeyValue()).bound.layer(Retry)
    return made._policy


POLICY = policy_of(Retry(4, base=0.5, cap=3.0, throttled_base=2.0))
PATIENT = policy_of(Retry(4, patient=True))


@pytest.mark.parametrize(
    ("asked", "repeated"),
    [
        (None, True),
        (0.0, True),
        (1e300, True),
        (-0.001, False),
        (math.inf, False),
        (math.nan, False),
    ],
)
def test_a_wait_that_is_negative_or_no_number_means_do_not(
    asked: float | None, repeated: bool
) -> None:
    assert POLICY.repeats(Get("a"), Unavailable(retry_after=asked)) is repeated


@pytest.mark.parametrize("kind", [LimitReached, RateLimited])
def test_a_refusal_is_worth_waiting_five_seconds_for(kind: Any) -> None:
    assert POLICY.repeats(ADD, kind(retry_after=5.0))
    assert not POLICY.repeats(ADD, kind(retry_after=5.001))
    assert not POLICY.repeats(ADD, kind())


def test_an_open_circuit_is_waited_for_by_the_patient_alone() -> None:
    assert not POLICY.repeats(Get("a"), CircuitOpen(retry_after=0.0))
    assert PATIENT.repeats(Get("a"), CircuitOpen(retry_after=60.0))
    assert not PATIENT.repeats(Get("a"), CircuitOpen())


def test_what_is_for_good_or_may_have_arrived_is_not_repeated() -> None:
    assert not POLICY.repeats(Get("a"), AuthError())
    assert not POLICY.repeats(ADD, Unavailable(sent="maybe"))
    assert POLICY.repeats(ADD, Unavailable(sent="no"))
    assert POLICY.repeats(Get("a"), Unavailable(sent="maybe"))


def test_waits_grow_to_the_cap_and_stay_there() -> None:
    delays = [POLICY.delay(Unavailable(), retry, 1.0) for retry in (0, 1, 2, 3, 1100)]
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert [POLICY.delay(Throttled(), retry, 1.0) for retry in (0, 1)] == [2.0, 3.0]
    assert POLICY.delay(Unavailable(), 0, 0.0) == 0.0
    assert POLICY.delay(CircuitOpen(retry_after=0.25), 0, 1.0) == 0.25


def test_what_is_asked_for_is_kept_within_five_seconds_of_our_own_wait() -> None:
    assert POLICY.delay(Unavailable(retry_after=0.1), 0, 1.0) == 0.5
    assert POLICY.delay(Unavailable(retry_after=2.0), 0, 1.0) == 2.0
    assert POLICY.delay(Unavailable(retry_after=100.0), 0, 1.0) == 5.5


def test_the_longest_waits_of_one_call_are_those_after_throttling() -> None:
    assert POLICY.waits() == (2.0 + 5) + (3.0 + 5) + (3.0 + 5)
    assert policy_of(Retry(3, base=2.0, cap=3.0, throttled_base=0.5)).waits() == 7.0 + 8.0
    assert policy_of(Retry(2, base=0.0, throttled_base=0.0)).waits() == 5.0


@pytest.mark.parametrize("kind", [Throttled, RateLimited, LimitReached])
def test_a_retry_after_throttling_costs_less(kind: Any) -> None:
    assert POLICY.cost(kind()) == 5
    assert POLICY.cost(Unavailable()) == 14


def circuit(chance: float = 0.5, **options: Any) -> Circuit:
    settings = settings_of(Breaker(**{"jitter": 0.0, **options}))
    return Circuit(settings, lambda: chance, lambda before, after: None)


def call(made: Circuit, verdict: Verdict, now: float, *, slow: bool = False) -> None:
    permit = made.admit(now)
    assert permit is not None
    made.settle(permit, verdict, now, slow=slow)


def half_open(**options: Any) -> Circuit:
    """Return a circuit that is open since 0 s and lets probes pass from 5 s on."""
    made = circuit(**options)
    made.go(State.OPEN, 0.0)
    return made


def test_each_opening_counts() -> None:
    made = circuit()
    for _ in range(3):
        made.go(State.OPEN, 0.0)
    assert made.status(0.0).opened == 3


def test_a_disabled_circuit_learns_nothing() -> None:
    made = circuit(min_calls=1)
    made.go(State.DISABLED, 0.0)
    for _ in range(5):
        call(made, Verdict.FAILURE, 0.0)
    told = made.status(0.0)
    assert (told.state, told.calls, told.opened) == (State.DISABLED, 0, 0)


def test_a_new_circuit_tells_nothing() -> None:
    told = circuit().status(0.0)
    assert told.state is State.CLOSED
    assert (told.calls, told.failures, told.slow, told.opened, told.rejected) == (0,) * 5
    assert (told.retry_after, told.cause) == (0.0, "")


def test_a_status_counts_each_kind_apart() -> None:
    made = circuit(min_calls=10)
    call(made, Verdict.SUCCESS, 0.0)
    call(made, Verdict.SUCCESS, 0.0, slow=True)
    for _ in range(2):
        call(made, Verdict.FAILURE, 0.0)
    call(made, Verdict.NONE, 0.0)
    told = made.status(0.0)
    assert (told.calls, told.failures, told.slow) == (4, 2, 1)


@pytest.mark.parametrize("way", ["status", "failure", "success"])
def test_a_bucket_ends_before_its_last_moment(way: str) -> None:
    made = circuit(min_calls=2, window=1.0, buckets=1)
    call(made, Verdict.FAILURE, 0.5)
    if way == "failure":
        call(made, Verdict.FAILURE, 1.0)
    elif way == "success":
        permit = made.free
        assert permit is not None
        made.succeed(permit, 1.0)
    told = made.status(1.0)
    assert told.state is State.CLOSED
    assert told.calls == (0 if way == "status" else 1)


def test_a_rate_is_a_part_of_the_calls() -> None:
    made = circuit(min_calls=4, failure_rate=0.5)
    call(made, Verdict.FAILURE, 0.0)
    for _ in range(3):
        call(made, Verdict.SUCCESS, 0.0)
    assert made.state is State.CLOSED
    call(made, Verdict.FAILURE, 0.0)
    assert made.state is State.CLOSED
    call(made, Verdict.FAILURE, 0.0)
    assert made.state is State.OPEN


def test_each_refusal_counts() -> None:
    made = half_open()
    assert [made.admit(1.0), made.admit(2.0), made.admit(3.0)] == [None] * 3
    assert made.status(3.0).rejected == 3


def test_how_long_to_wait_is_told_exactly() -> None:
    made = half_open()
    assert (made.retry_after(0.0), made.retry_after(4.5), made.retry_after(9.0)) == (5.0, 0.5, 0.0)
    assert made.cause == "opened by hand"
    made.go(State.FORCED_OPEN, 9.0)
    assert made.retry_after(9.0) is None
    made.go(State.CLOSED, 9.0)
    assert made.retry_after(9.0) == 0.0


def test_a_break_by_hand_begins_when_it_was_asked_for() -> None:
    made = circuit()
    made.go(State.OPEN, 100.0)
    assert made.admit(104.9) is None
    assert made.admit(105.0) is not None


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_chance_makes_a_break_longer_or_shorter(chance: float, seconds: float) -> None:
    made = circuit(chance, jitter=0.2)
    made.go(State.OPEN, 10.0)
    assert made.retry_after(10.0) == pytest.approx(seconds)


@pytest.mark.parametrize("slow", [False, True])
def test_probes_are_judged_together_by_their_rate(slow: bool) -> None:
    made = half_open(probes=4, probes_at_once=4, failure_rate=0.5, slow_rate=0.5)
    bad = Verdict.SUCCESS if slow else Verdict.FAILURE
    call(made, bad, 5.0, slow=slow)
    assert made.state is State.HALF_OPEN
    call(made, Verdict.SUCCESS, 5.0)
    assert made.state is State.HALF_OPEN
    call(made, bad, 5.0, slow=slow)
    assert made.state is State.OPEN


def test_a_probe_tells_once() -> None:
    made = half_open(probes=2)
    probe = made.admit(5.0)
    assert probe is not None
    for _ in range(3):
        made.settle(probe, Verdict.SUCCESS, 5.0)
    assert made.state is State.HALF_OPEN


def test_no_more_probes_go_out_than_are_still_to_tell() -> None:
    made = half_open(probes=2, probes_at_once=2)
    call(made, Verdict.SUCCESS, 5.0)
    assert made.admit(5.0) is not None
    assert made.admit(5.0) is None


def test_what_failed_without_a_name_has_none() -> None:
    made = circuit(min_calls=1)
    call(made, Verdict.FAILURE, 0.0)
    assert made.cause == ""


@pytest.mark.parametrize("buckets", [1, 2, 3, 7])
@pytest.mark.parametrize(("begins", "width"), [(-20, 1.0), (0, 0.5), (3, 1.0)])
def test_a_window_holds_exactly_the_calls_of_its_last_buckets(
    buckets: int, begins: int, width: float
) -> None:
    """Against a list of all calls, also on a clock that begins below zero."""
    rng = random.Random(buckets)
    window = Window(buckets * width, buckets)
    calls: list[tuple[int, bool, bool]] = []
    now = float(begins)
    for _ in range(300):
        now += rng.choice([0.0, 0.25, 0.5, 1.0, 1.75, buckets, buckets + 1.0])
        failed, slow = rng.random() < 0.3, rng.random() < 0.4
        window.add(now, failed=failed, slow=slow)
        bucket = math.floor(now / width)
        calls.append((bucket, failed, slow))
        kept = [one for one in calls if one[0] > bucket - buckets]
        assert window.calls == len(kept)
        assert window.failures == sum(failed for _, failed, _ in kept)
        assert window.slow == sum(slow for _, _, slow in kept)
        assert window.ends == (bucket + 1) * width


def cache(**bounds: Any) -> Core:
    settings = {"ttl": 10.0, "max_entries": 10, "max_bytes": 10**6, "jitter": 0.0, "doubt": 1.0}
    return Core(Bounds(**{**settings, "negative_ttl": 1.0, **bounds}), lambda: 0.0)


def keep(core: Core, key: str, answer: object, op: object = Get) -> bool:
    """Fill one answer; tell whether it is held."""
    marks = core.marks.take((key,), 0.0)
    assert marks is not None
    table = core.table(op)
    core.keep(Fill(table, key, marks), answer, None, 0.0, 0.0)
    return key in table.entries


def test_a_cache_has_a_table_for_each_type_of_operation() -> None:
    core = cache()
    assert core.table(Get) is core.table(Get)
    assert core.table(Get) is not core.table(Append)


def test_a_cache_counts_what_it_stores_and_what_that_weighs() -> None:
    core = cache()
    assert keep(core, "key", b"x" * 100)
    one = stats_of(core).bytes
    assert one == OVERHEAD + weigh(b"x" * 100) + 2 * weigh("key")  # its tag too
    assert keep(core, "longer key", b"")
    told = stats_of(core)
    assert (told.stored, told.size, told.evicted) == (2, 2, 0)
    assert told.bytes == one + OVERHEAD + weigh(b"") + 2 * weigh("longer key")


def test_a_cache_counts_who_waited_for_another() -> None:
    core = cache()
    core.table(Get).counts.coalesced += 3
    core.table(Scan).counts.hits += 1
    told = stats_of(core)
    assert (told.coalesced, told.hits, told.misses) == (3, 1, 0)


def test_an_answer_of_the_share_of_all_room_is_kept_and_no_larger_one() -> None:
    weight = weigh(b"x" * 5000) + 2 * weigh("key")
    assert keep(cache(max_bytes=64 * weight), "key", b"x" * 5000)
    assert keep(cache(max_bytes=64 * weight + 63), "key", b"x" * 5000)
    assert not keep(cache(max_bytes=64 * weight - 1), "key", b"x" * 5000)


def test_throttling_has_a_base_of_its_own_also_if_it_is_shorter() -> None:
    policy = policy_of(Retry(3, base=2.0, throttled_base=0.5))
    assert policy.delay(Throttled(), 0, 1.0) == 0.5
    assert policy.delay(Unavailable(), 0, 1.0) == 2.0


def test_decorrelated_waits_lie_on_one_curve_that_ends_at_the_cap() -> None:
    def curve(place: float) -> float:
        return 2.0**place * math.tanh(math.sqrt(4.0 * place)) / 1.4

    policy = policy_of(Retry(3, base=1.0, throttled_base=1.0, cap=1e9, jitter="decorrelated"))
    assert policy.delay(Unavailable(), 1, 0.5) == pytest.approx(curve(1.5) - curve(0.0))
    assert policy.delay(Unavailable(), 1, 0.5, 0.25) == pytest.approx(curve(1.5) - curve(0.25))
    longest = curve(1.0) + (curve(2.0) - curve(0.0))
    assert policy.waits() == pytest.approx(longest + 2 * 5)
    tiny = policy_of(Retry(3, base=1e-300, cap=20.0, throttled_base=0, jitter="decorrelated"))
    assert tiny.delay(Unavailable(), 1000, 0.5) == 1e-300 * 2.0**1000
    assert tiny.delay(Unavailable(), 10**6, 0.5) == 1e-300 * 2.0**1000


def test_a_place_given_up_twice_is_free_once() -> None:
    permits = Permits(1, 1)
    assert permits.take()
    ticket = permits.join()
    assert ticket is not None
    assert permits.leave() == [ticket]
    for _ in range(2):
        permits.abandon(ticket)
    assert (permits.running, permits.waiting) == (0, 0)


def delays(quantile: float, *seconds: float) -> Delays:
    made = Delays(quantile, 1)
    for one in seconds:
        made.record(one)
    return made


def test_a_generation_of_delays_is_forgotten_after_two_times_a_thousand() -> None:
    assert delays(0.9, *[10.0] * 1000, *[0.001] * 999).delay() == pytest.approx(10, rel=0.06)
    assert delays(0.9, *[10.0] * 1000, *[0.001] * 1000).delay() == pytest.approx(0.001, rel=0.06)
    again = delays(0.9, *[10.0] * 2000, *[0.001] * 999)
    assert again.delay() == pytest.approx(10, rel=0.06)
    again.record(0.001)
    assert again.delay() == pytest.approx(0.001, rel=0.06)


@pytest.mark.parametrize(("quantile", "before", "after"), [(1.0, 0.001, 10.0), (0.001, 1e4, 0.001)])
def test_a_quantile_is_reckoned_anew_after_a_64th_more_calls(
    quantile: float, before: float, after: float
) -> None:
    made = delays(quantile, *[before] * 129)
    known = made.delay()
    assert known is not None
    for _ in range(2):
        made.record(after)
        assert made.delay() == known
    made.record(after)
    assert made.delay() == pytest.approx(after, rel=0.06)


def test_calls_that_took_no_time_are_in_the_least_of_all_delays() -> None:
    made = Delays(0.5, 3)
    made.instant = 3
    assert made.delay() == 1e-4
    assert made.instant == 0


def test_a_leg_cut_off_at_the_very_delay_is_news() -> None:
    made = delays(0.5, 0.01, 0.01, 0.01)
    known = made.delay()
    assert known is not None
    made.record_at_least(known * 0.99)
    assert made._new == 3
    made.record_at_least(known)
    assert made._new == 4


def test_one_delay_is_a_quantile_and_the_longest_is_bounded() -> None:
    assert delays(0.5, 0.01).delay() == pytest.approx(0.01, rel=0.06)
    assert delays(0.5, *[1e9] * 3).delay() == pytest.approx(1e-4 * 1.05**299)
    assert delays(1.0, 0.01, 1e9).delay() == pytest.approx(1e-4 * 1.05**299)


def test_a_cap_on_load_has_earned_nothing_at_first() -> None:
    load = Load(0.5)
    assert (load.earn(), load.credit) == (0, 10.0)


def test_doubts_that_have_ended_are_forgotten_and_no_others() -> None:
    marks = Marks()
    marks.doubt(["a"], 0.0, 1.0)
    marks.doubt(["b"], 0.0, 10.0)
    marks.doubt(["c"], 1.0, 11.0)
    assert len(marks) == 2
    assert marks.take(["b"], 1.0) is None
    assert marks.take(["c"], 1.0) is None
    held = marks.take(["a"], 1.0)
    assert held is not None
    assert len(marks) == 2 + 1


def test_everything_is_ended_when_nothing_is_named() -> None:
    core = cache()
    held = [Fill(core.table(Get), tag, core.take((tag,), 0.0) or ()) for tag in ("a", "b")]
    core.invalidate("c")
    assert [fill.joinable() for fill in held] == [True, True]
    core.invalidate()
    assert [fill.joinable() for fill in held] == [False, False]


def bucket(interval: float, burst: int, full_at: float) -> Bucket:
    made = Bucket(interval, burst)
    made.full_at = full_at
    return made


def test_a_token_may_come_a_billionth_of_a_second_early_and_no_more() -> None:
    assert bucket(1e-9, 1, 1e-9).take(0.0)
    assert not bucket(1e-9, 1, 1.5e-9).take(0.0)


def test_late_in_a_clocks_life_a_token_may_come_four_of_its_ticks_early() -> None:
    now = 2.0**40
    tick = math.ulp(now)
    assert bucket(1.0, 1, now + 4 * tick).take(now)
    assert not bucket(1.0, 1, now + 5 * tick).take(now)


def test_a_token_that_is_all_but_there_is_told() -> None:
    assert bucket(0.001, 10, 0.003 + 5e-10).tokens(0.0) == 7
    assert bucket(0.001, 10, 0.003 + 5e-9).tokens(0.0) == 6


def test_the_fastest_and_the_slowest_pace_are_a_pace() -> None:
    check_pace("Throttle", 1e9, 1.0)
    check_pace("Throttle", 1.0, FAR)
    for rate, per in ((1.1e9, 1.0), (1.0, FAR * 1.1)):
        with pytest.raises(StackError):
            check_pace("Throttle", rate, per)


def test_a_search_is_of_use_until_the_first_write_it_missed_is_shown() -> None:
    lags = Lags()
    for turn in range(18):  # more than are told apart: the last three are taken together
        lags.note(("t",), turn / 10, 5.0, 0.0)
    assert [lags.until(("t",), at) for at in (4.0, 5.05, 6.35, 6.45)] == [5.0, 5.1, 6.4, 6.5]
    assert [lags.until(("t",), at) for at in (6.55, 6.65)] == [6.55, 6.65]
    assert [lags.until(("t",), at) for at in (6.7, 9.0)] == [None, None]
    assert lags.until(("other",), 4.0) is None


def test_a_doubtful_write_may_be_shown_at_any_moment() -> None:
    lags = Lags()
    lags.note(("t",), 1.0, 2.0, 3.0)
    assert [lags.until(("t",), at) for at in (1.0, 4.0, 6.0)] == [1.0, 4.0, None]


def test_writes_that_are_taken_together_span_what_each_of_them_does() -> None:
    lags = Lags()
    for turn in range(16):
        lags.note(("t",), turn / 10, 5.0, 0.0)
    lags.note(("t",), 1.6, 5.0, 1.0)
    assert [lags.until(("t",), at) for at in (2.0, 7.5)] == [2.0, 7.5]
    lags.note(("t",), 1.7, 5.0, 0.0)
    assert [lags.until(("t",), at) for at in (7.5, 7.6)] == [7.5, None]


def test_lags_that_are_over_are_forgotten_the_oldest_first() -> None:
    lags = Lags()
    for turn in range(5):
        lags.note((f"t{turn}",), float(turn), 2.5, 0.0)
    assert len(lags) == 3
    assert lags.until(("t4",), 4.0) == 6.5


def test_an_answer_lives_as_long_as_it_is_told() -> None:
    def life(
        age: float = 0.0, clip: float | None = None, *, absent: bool = False, **more: Any
    ) -> Any:
        bounds = Bounds(10.0, 9, 99, 0.5, 0.0, 4.0, **{"stale_if_error": 3.0, **more})
        return lifetime(bounds, 100.0, age, clip, 0.4, absent=absent)

    assert life() == (108.0, 111.0)
    assert life(absent=True) == (103.2, 103.2)
    never = Bounds(10.0, 9, 99, 0.5, 0.0, None)
    assert lifetime(never, 100.0, 0.0, None, 0.4, absent=True)[1] == 100.0
    assert life(age=7.0) == (103.0, 106.0)
    assert life(age=7.0, oldest=16.0) == (108.0, 111.0)
    assert life(age=12.0, oldest=16.0) == (104.0, 107.0)
    assert life(age=3.0, oldest=16.0, absent=True) == (101.0, 101.0)
    assert life(clip=105.0) == (105.0, 105.0)
    assert life(clip=109.0) == (108.0, 109.0)
    assert life(clip=120.0) == (108.0, 111.0)


def test_a_mark_knows_whether_a_write_or_an_invalidation_has_ended_it() -> None:
    marks = Marks()
    written, told = marks.take(("a", "b"), 0.0) or ()
    marks.end(("a",))
    marks.end(("b",), written=False)
    assert [(mark.dead, mark.written) for mark in (written, told)] == [(True, True), (True, False)]


def test_a_doubt_is_not_shortened_by_another_and_lags_count() -> None:
    marks = Marks()
    marks.doubt(("t",), 0.0, 10.0)
    marks.doubt(("t",), 0.0, 5.0)
    assert marks.is_doubtful(("t",), 9.0)
    marks.lags.note(("t",), 0.0, 5.0, 0.0)
    assert len(marks) == 2


def test_what_an_invalidation_did_not_mean_belongs_to_the_era_of_now() -> None:
    core = cache()
    fill = Fill(core.table(Get), "k", core.take(("k\0\0=k",), 0.0) or ())
    core.invalidate("other")
    assert fill.joinable()
    assert fill.marks[-1] is core.eras.now


def test_tags_of_one_s_own_are_names_of_no_tenant() -> None:
    matches = matcher(None, "b", "")
    assert matches is not None
    assert [matches(tag) for tag in ("b", "a\0b", "c")] == [True, True, False]


def test_what_is_kept_tells_when_it_was_true_and_until_when_it_may_be_given() -> None:
    core = cache(ttl=10.0, jitter=0.0, stale_if_error=5.0, stale_while_revalidate=8.0)
    table = core.table(Get)
    fill = Fill(table, "k", core.take(("k\0\0=k",), 3.0) or (), began=3.0)
    core.keep(fill, b"v", 50.0, 4.0, 40.0, age=2.0)
    entry = table.entries["k"]
    assert (entry.stored, entry.cap, entry.ends) == (2.0, 12.0, 20.0)
    assert [core.is_spare(entry, now) for now in (12.0, 16.9, 17.0)] == [True, True, False]
    entry.ends = 15.0
    assert [core.is_spare(entry, now) for now in (14.9, 15.0)] == [True, False]
    core.invalidate(tag="k\0\0=k")
    assert [(mark.dead, mark.written) for mark in entry.marks[:1]] == [(True, False)]
    assert core.drop_if_wrong(entry, 14.9, 49.9)


@pytest.mark.parametrize(("now", "wall"), [(20.0, 40.0), (5.0, 50.0)], ids=["time", "expiry"])
def test_what_is_over_by_itself_was_not_made_wrong(now: float, wall: float) -> None:
    core = cache(ttl=10.0, jitter=0.0, stale_if_error=10.0)
    table = core.table(Get)
    core.keep(Fill(table, "k", core.take(("t",), 0.0) or ()), b"v", 50.0, 0.0, 40.0)
    entry = table.entries["k"]
    assert not core.drop_if_wrong(entry, now, wall)
    assert not table.entries
