"""Retry, seen through a stack."""

from __future__ import annotations

import asyncio
import pickle
import random
from typing import TYPE_CHECKING, Any

import pytest

from lamina import context
from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Append, CompareAndSet, Delete, Get, KeyValueBackend, Set
from lamina.errors import (
    AuthError,
    CircuitOpen,
    Conflict,
    LimitReached,
    RateLimited,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.domains.keyvalue import KeyValue


class Fixed(random.Random):
    """Chance that is always the same."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def stacked(backend: ScriptedKeyValue, retry: Retry | None = None, chance: float = 1.0) -> KeyValue:
    store: KeyValue = Stack(retry or Retry()).over(backend, runtime=Runtime(rng=Fixed(chance)))
    return store


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_rt12_a_success_needs_one_attempt_and_no_engine() -> None:
    with ScriptedKeyValue() as backend:
        backend.expect(Get("a")).returns(b"1")
        store = stacked(backend)
        retry = store.bound.layer(Retry)
        assert retry is not None
        retry._engine.retrying = None  # type: ignore[assignment]  # any use would fail

        assert await store.get("a") == b"1"

    assert len(backend.calls) == 1


async def test_a_transient_failure_is_repeated_until_it_succeeds() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Get("a")).raises(Unavailable("down")).times(2)
        backend.expect(Get("a")).returns(b"1")

        assert await stacked(backend).get("a") == b"1"

    assert now() == pytest.approx(0.05 + 0.1)  # RT2: base 0.05, doubled, chance 1


async def test_rt1_attempts_counts_all_attempts_and_the_last_error_itself_comes_out() -> None:
    errors = [Unavailable(str(number)) for number in range(3)]
    with ScriptedKeyValue(ordered=True) as backend:
        for error in errors:
            backend.expect(Get("a")).raises(error)

        with pytest.raises(Unavailable) as caught:
            await stacked(backend).get("a")

    assert caught.value is errors[-1]
    assert caught.value.__notes__ == ["gave up after 3 attempts in 0.15 s"]
    assert caught.value.retry_exhausted
    assert type(pickle.loads(pickle.dumps(caught.value))) is Unavailable


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_rt1_so_many_attempts_are_made(attempts: int) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).raises(Unavailable()).always()

    with pytest.raises(Unavailable):
        await stacked(backend, Retry(attempts)).get("a")

    assert len(backend.calls) == attempts


async def test_what_is_final_is_not_repeated() -> None:
    for error in (AuthError(), Conflict(), Unavailable(transient=False)):
        with ScriptedKeyValue() as backend:
            backend.expect(Get("a")).raises(error)

            with pytest.raises(StorageError) as caught:
                await stacked(backend).get("a")

        assert caught.value is error
        assert not hasattr(error, "__notes__")


async def test_an_error_from_elsewhere_is_let_through() -> None:
    error = LookupError()
    with ScriptedKeyValue() as backend:
        backend.expect(Get("a")).raises(error)

        with pytest.raises(LookupError) as caught:
            await stacked(backend).get("a")

    assert caught.value is error


async def test_an_error_of_tenacitys_own_is_not_repeated() -> None:
    import tenacity

    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Get("a")).raises(Unavailable())
        backend.expect(Get("a")).raises(tenacity.TryAgain())

        with pytest.raises(tenacity.TryAgain):
            await stacked(backend).get("a")


async def test_rt5_a_write_that_is_not_idempotent_is_repeated_only_if_it_surely_never_arrived() -> (
    None
):
    for sent, attempts in (("no", 3), ("maybe", 1)):
        backend = ScriptedKeyValue()
        backend.expect(Append).raises(Unavailable(sent=sent)).always()

        with pytest.raises(Unavailable):
            await stacked(backend).append("a", 1)

        assert len(backend.calls) == attempts
    with ScriptedKeyValue(ordered=True) as backend:  # an idempotency key makes it repeatable
        backend.expect(Append).raises(TimedOut())
        backend.expect(Append).returns(1)
        assert await stacked(backend).append("a", 1, idempotency="x") == 1


async def test_a_failure_after_a_doubtful_attempt_stays_doubtful() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Set).raises(TimedOut())
        backend.expect(Set).raises(CircuitOpen("open", retry_after=9.0))

        with pytest.raises(CircuitOpen) as caught:
            await stacked(backend).set("a", b"1")

    assert caught.value.sent == "maybe"
    assert caught.value.__notes__ == ["at attempt 2 of 3"]


async def test_a_repeated_delete_tells_that_there_was_a_value() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Delete("a")).raises(TimedOut())
        backend.expect(Delete("a")).returns(False)
        assert await stacked(backend).delete("a") is True
    with ScriptedKeyValue(ordered=True) as backend:  # surely not sent: nothing to settle
        backend.expect(Delete("a")).raises(Unavailable(sent="no"))
        backend.expect(Delete("a")).returns(False)
        assert await stacked(backend).delete("a") is False


async def test_a_repeated_compare_and_set_reads_whether_the_first_had_succeeded() -> None:
    for found, fails in ((b"new", False), (b"other", True)):
        with ScriptedKeyValue(ordered=True) as backend:
            backend.expect(CompareAndSet).raises(TimedOut())
            backend.expect(CompareAndSet).raises(Conflict("no"))
            backend.expect(Get("a", fresh=True)).returns(found)
            store = stacked(backend)
            if fails:
                with pytest.raises(Conflict):
                    await store.compare_and_set("a", b"old", b"new")
            else:
                await store.compare_and_set("a", b"old", b"new")


async def test_a_conflict_after_nothing_doubtful_is_not_settled() -> None:
    for errors in ([Conflict("no")], [Unavailable(sent="no"), Conflict("no")]):
        with ScriptedKeyValue(ordered=True) as backend:
            for error in errors:
                backend.expect(CompareAndSet).raises(error)

            with pytest.raises(Conflict):
                await stacked(backend).compare_and_set("a", b"old", b"new")


async def test_rt3_retry_after_is_honoured_within_five_seconds_more() -> None:
    for asked, waited in ((0.02, 0.05), (3.0, 3.0), (60.0, 5.05)):
        start = now()
        with ScriptedKeyValue(ordered=True) as backend:
            backend.expect(Get).raises(Unavailable(retry_after=asked))
            backend.expect(Get).returns(b"1")
            await stacked(backend).get("a")
        assert now() - start == pytest.approx(waited)


@pytest.mark.parametrize("asked", [-1.0, float("nan"), float("inf")])
async def test_rt3_an_unreadable_retry_after_means_do_not(asked: float) -> None:
    with ScriptedKeyValue() as backend:
        backend.expect(Get).raises(Unavailable(retry_after=asked))
        with pytest.raises(Unavailable):
            await stacked(backend).get("a")


async def test_throttling_waits_longer_and_costs_less() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Get).raises(Throttled()).times(2)
        backend.expect(Get).raises(Unavailable())
        store = stacked(backend)
        with pytest.raises(Unavailable):
            await store.get("a")

    assert now() == pytest.approx(1.0 + 2.0)
    retry = store.bound.layer(Retry)
    assert retry is not None
    assert retry.status().tokens == 500 - 5 - 5


async def test_rt4_it_never_waits_into_the_deadline() -> None:
    for error in (Unavailable(), Unavailable(retry_after=7.0)):  # the second by what it asks
        with ScriptedKeyValue() as backend:
            backend.expect(Get).raises(error)
            store = stacked(backend, Retry(base=10.0))
            start = now()
            async with context.call(deadline=6.0 if error.retry_after else 2.0):
                with pytest.raises(Unavailable) as caught:
                    await store.get("a")
        assert caught.value is error
        assert now() == start
        assert "does not fit into" in caught.value.__notes__[0]


async def test_rt7_an_open_circuit_is_waited_for_only_with_patience_and_exactly() -> None:
    with ScriptedKeyValue() as backend:
        backend.expect(Get).raises(CircuitOpen(retry_after=1.0))
        with pytest.raises(CircuitOpen):
            await stacked(backend).get("a")
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(Get).raises(CircuitOpen(retry_after=11.0))
        backend.expect(Get).returns(b"1")
        assert await stacked(backend, Retry(patient=True)).get("a") == b"1"
    assert now() == pytest.approx(11.0)


async def test_rt7_a_local_limit_is_waited_for_only_if_it_says_how_long() -> None:
    for kind in (LimitReached, RateLimited):
        with ScriptedKeyValue() as backend:
            backend.expect(Get).raises(kind())
            with pytest.raises(kind):
                await stacked(backend).get("a")
        with ScriptedKeyValue() as backend:
            backend.expect(Get).raises(kind(retry_after=60.0))
            with pytest.raises(kind):
                await stacked(backend).get("a")
        with ScriptedKeyValue(ordered=True) as backend:
            backend.expect(Get).raises(kind(retry_after=0.3))
            backend.expect(Get).returns(b"1")
            assert await stacked(backend).get("a") == b"1"


async def test_rt11_a_spent_budget_lets_the_original_error_out_and_is_counted() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable("down")).always()
    store = stacked(backend, Retry(budget=28))

    for sends in (3, 1):
        backend.calls.clear()
        with pytest.raises(Unavailable) as caught:
            await store.get("a")
        assert len(backend.calls) == sends

    assert "the retry budget is spent" in caught.value.__notes__[-1]
    retry = store.bound.layer(Retry)
    assert retry is not None
    assert retry.status() == (2, 2, 1, 0, 0)


async def test_rt10_a_retry_that_succeeds_gets_its_tokens_back_and_a_first_success_adds_one() -> (
    None
):
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get).raises(Unavailable()).times(2)
    backend.expect(Get).returns(b"1").times(4)
    store = stacked(backend)
    retry = store.bound.layer(Retry)
    assert retry is not None

    await store.get("a")
    assert retry.status().tokens == 500 - 14  # the last retry's cost came back
    for _ in range(3):
        await store.get("a")
    assert retry.status().tokens == 500 - 14 + 3


async def test_one_stack_over_two_backends_has_two_budgets_and_a_name_shares_one() -> None:
    backends = [ScriptedKeyValue() for _ in range(2)]
    for backend in backends:
        backend.expect(Get).raises(Unavailable()).always()
    for shared, left in ((None, 500), ("both", 500 - 28)):
        stack = Stack(Retry(shared=shared))
        first, second = (stack.over(backend) for backend in backends)
        with pytest.raises(Unavailable):
            await first.get("a")
        retry = second.bound.layer(Retry)
        assert retry.status().tokens == left
    with pytest.raises(StackError, match="shared with other options"):
        Stack(Retry(shared="both", budget=20)).over(ScriptedKeyValue())


async def test_the_attempt_number_is_told_below_and_the_callers_call_comes_back() -> None:
    seen: list[tuple[int, float | None]] = []

    class Watching(KeyValueBackend):
        name = "watching"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            call = context.current.get()
            assert call is not None
            seen.append((call.attempt, call.deadline))
            raise Unavailable

    store = Stack(Retry(base=0)).over(Watching())

    async with context.call(deadline=5.0) as mine:
        with pytest.raises(Unavailable):
            await store.get("a")
        assert context.current.get() is mine
    assert seen == [(1, 5.0), (2, 5.0), (3, 5.0)]
    assert mine.attempt == 1


async def test_an_outer_retry_does_not_multiply_an_inner_one() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable()).always()
    stack = Stack(Retry(), Retry(), allow={"E09": "the test"})
    store = stack.over(backend, runtime=Runtime(rng=Fixed(0.0)))

    for times in (1, 2):  # and an error object used anew is judged anew
        with pytest.raises(Unavailable) as caught:
            await store.get("a")
        assert len(backend.calls) == 3 * times
    assert caught.value.retry_exhausted


async def test_the_same_error_object_raised_by_the_next_call_is_repeated_again() -> None:
    error = Unavailable()
    calls = 0

    class Stubborn(KeyValueBackend):
        name = "stubborn"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            nonlocal calls
            calls += 1
            raise error

    store = Stack(Retry(base=0)).over(Stubborn())
    for times in (1, 2):
        with pytest.raises(Unavailable):
            await store.get("a")
        assert calls == 3 * times


def failing(times: int) -> Callable[[], Any]:
    async def scenario() -> None:
        backend = ScriptedKeyValue(ordered=True)
        backend.expect(Get).raises(Unavailable()).after(0.1).times(times)
        backend.expect(Get).returns(b"1").after(0.1)
        await stacked(backend, Retry()).get("a")

    return scenario


def test_t3_a_cancellation_at_any_await_goes_out_as_it_came() -> None:
    done = sweep(failing(2))

    assert done.points == 5
    assert done.finished == 0


def test_t4_calls_that_fail_together_do_not_mix() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        for number in range(8):
            key = f"k{number}"
            backend.expect(Get(key)).raises(Unavailable()).after(0.01).times(number % 3)
            backend.expect(Get(key)).returns(key.encode()).after(0.01)
        store = Stack(Retry()).over(backend)
        answers = await asyncio.gather(*(store.get(f"k{number}") for number in range(8)))
        assert answers == [f"k{number}".encode() for number in range(8)]

    explore(scenario, schedules=500)


async def test_the_plan_tells_the_worst_case() -> None:
    plan = Stack(Retry(4)).over(MemoryKeyValue()).bound.plan()

    assert plan.amplification == 4
    assert {op.worst.seconds for op in plan.operations} == {None}
    plan = Stack(Retry(), Timeout(0.5)).over(MemoryKeyValue()).bound.plan()
    longest = 3 * 0.5 + (1.0 + 5.0) + (2.0 + 5.0)  # attempts, throttled waits, what is asked more
    assert {op.worst.seconds for op in plan.operations} == {longest}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attempts": 0}, "attempts must be a whole number from 1, got 0"),
        ({"attempts": True}, "attempts"),
        ({"attempts": 2.5}, "attempts"),
        ({"base": -0.1}, "base must be a finite number from 0"),
        ({"base": float("nan")}, "base"),
        ({"base": "1"}, "base"),
        ({"cap": float("inf")}, "cap"),
        ({"base": 30.0}, "base must be at most cap, got 30.0 and 20.0"),
        ({"throttled_base": 21.0}, "throttled_base must be at most cap"),
        ({"budget": 13}, "budget must be a whole number from 14"),
        ({"patient": 1}, "patient must be True or False"),
        ({"shared": ""}, "shared must be a name"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Retry: .*{told}"):
        Retry(**options)
