"""What every layer makes of an outcome: one table of errors, drawn once for all of them."""

from __future__ import annotations

import asyncio
import copy
import pickle
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

import lamina.layers
from lamina import errors
from lamina.domains.keyvalue import Append, Get, Set
from lamina.errors import (
    BatchFailed,
    Brief,
    CircuitOpen,
    LaminaError,
    Rejected,
    StorageError,
    TimedOut,
    Unavailable,
)
from lamina.layers.breaker import Breaker
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.values import Failed, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

for found in walk_packages(lamina.layers.__path__, "lamina.layers."):
    import_module(found.name)


class Told(NamedTuple):
    """What one failed read tells: calls and failures to the breaker, attempts of the retry."""

    calls: int
    failures: int
    attempts: int


FAILURE: Final = Told(1, 1, 2)
FAILURE_FOR_GOOD: Final = Told(1, 1, 1)
SUCCESS: Final = Told(1, 0, 1)
NOTHING: Final = Told(0, 0, 1)
THROTTLED: Final = Told(0, 0, 2)

TABLE: Final = {
    "LaminaError": NOTHING,
    "StackError": NOTHING,
    "Closed": NOTHING,
    "WrongLoop": NOTHING,
    "StorageError": SUCCESS,
    "BackendError": SUCCESS,
    "Unavailable": FAILURE,
    "Throttled": THROTTLED,
    "Corrupt": SUCCESS,
    "AuthError": SUCCESS,
    "Invalid": SUCCESS,
    "BatchFailed": SUCCESS,  # of no items
    "Conflict": SUCCESS,
    "TimedOut": FAILURE,
    "DeadlineExceeded": NOTHING,
    "Rejected": NOTHING,
    "CircuitOpen": NOTHING,
    "OpenCircuit": NOTHING,
    "LimitReached": NOTHING,
    "RateLimited": NOTHING,
    "Unsupported": NOTHING,
}
"""By class of error, as it comes without arguments."""


def tree(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith(("lamina.errors", "lamina.layers.")):  # others inherit
            yield from tree(child)


EVERY: Final = sorted(set(tree(LaminaError)), key=lambda kind: kind.__name__)
STORAGE: Final = [kind for kind in EVERY if issubclass(kind, StorageError)]


async def told_by(make: Callable[[], BaseException]) -> Told:
    """Send a read that fails so through a breaker, and another through a retry."""
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(make()).always()
    store = Stack(Breaker()).over(backend)
    await end(store.get("a"))
    status = layer(store, Breaker).status()
    again = ScriptedKeyValue()
    again.expect(Get).raises(make()).always()
    retried = Stack(Retry(2, base=0)).over(again)
    await end(retried.get("a"))
    return Told(status.calls, status.failures, len(again.calls))


async def end(call: Any) -> None:
    await asyncio.gather(asyncio.ensure_future(call), return_exceptions=True)


def layer(store: Any, kind: type[Any]) -> Any:
    return store.bound.layer(kind)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
async def test_c1_c2_each_error_has_its_verdict(kind: type[LaminaError]) -> None:
    assert kind.__name__ in TABLE, f"{kind.__name__} is in no class of outcomes yet"
    assert await told_by(kind) == TABLE[kind.__name__]


def test_c1_the_table_holds_nothing_else() -> None:
    assert set(TABLE) == {kind.__name__ for kind in EVERY}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (asyncio.CancelledError, NOTHING),
        (ConnectionResetError, FAILURE_FOR_GOOD),
        (TimeoutError, FAILURE_FOR_GOOD),
        (ZeroDivisionError, NOTHING),
        (lambda: Unavailable(transient=False), FAILURE_FOR_GOOD),
        (lambda: StorageError(transient=True), FAILURE),
        (lambda: Rejected(retry_after=0.0), THROTTLED),
        (lambda: CircuitOpen(retry_after=0.0), NOTHING),
        (lambda: BatchFailed(outcomes=[Failed(Unavailable())]), FAILURE_FOR_GOOD),
        (lambda: BatchFailed(outcomes=[Failed(Rejected())]), NOTHING),
    ],
    ids=[
        *("cancelled", "connection", "timeout", "defect", "for good", "unknown passing"),
        *("rejected for 0 s", "open for 0 s", "batch failed", "batch rejected"),
    ],
)
async def test_c1_c2_a_verdict_hangs_on_what_the_error_says(
    make: Callable[[], BaseException], expected: Told
) -> None:
    assert await told_by(make) == expected


async def test_c2_answers_and_absence_are_successes() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("there")).returns(b"1")
    backend.expect(Get("absent")).returns(None)
    store = Stack(Breaker()).over(backend)
    await store.get("there")
    await store.get("absent")
    status = layer(store, Breaker).status()
    assert (status.calls, status.failures) == (2, 0)


REPEATED: Final = [
    (Get("a"), "no", 2),
    (Get("a"), "maybe", 2),
    (Set("a", b"1"), "no", 2),
    (Set("a", b"1"), "maybe", 2),
    (Append("a", (Json.of(1),)), "no", 2),
    (Append("a", (Json.of(1),)), "maybe", 1),
    (Append("a", (Json.of(1),), idempotency="once"), "maybe", 2),
]


@pytest.mark.parametrize(("op", "sent", "attempts"), REPEATED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("kind", [Unavailable, TimedOut])
async def test_c4_only_what_was_not_sent_may_be_repeated_unless_it_is_repeatable(
    op: Any, sent: Any, attempts: int, kind: type[StorageError]
) -> None:
    backend = ScriptedKeyValue()
    backend.expect(type(op)).raises(kind("down", sent=sent)).always()
    store = Stack(Retry(2, base=0)).over(backend)

    with pytest.raises(kind) as caught:
        await store.bound.send(op)

    assert len(backend.calls) == attempts
    assert caught.value.sent == sent


async def test_c4_an_error_stays_doubtful_once_an_attempt_may_have_arrived() -> None:
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Set).raises(Unavailable(sent="maybe"))
    backend.expect(Set).raises(Unavailable(sent="no"))
    store = Stack(Retry(2, base=0)).over(backend)
    with pytest.raises(Unavailable) as caught:
        await store.set("a", b"1")
    assert caught.value.sent == "maybe"


@pytest.mark.parametrize("kind", STORAGE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_c6_an_error_survives_pickling_with_all_it_knows(
    kind: type[StorageError], copied: Callable[[Any], Any]
) -> None:
    error = kind("no answer", brief=Brief("Get", "keyvalue", "'a'"), backend="redis")
    error.layer, error.retry_after, error.sent, error.transient = "limit", 1.5, "no", True
    error.retry_exhausted = 7
    error.add_note("gave up after 3 attempts")

    told = copied(error)

    assert type(told) is kind
    assert vars(told) == vars(error)
    assert told.retry_exhausted == 7
    assert told.__notes__ == ["gave up after 3 attempts"]
    assert str(told) == str(error)


@pytest.mark.parametrize("kind", sorted(tree(Rejected), key=lambda kind: kind.__name__))
def test_c6_a_refusal_was_not_sent_and_knows_who_refused(kind: type[Rejected]) -> None:
    error = kind(layer="limit", retry_after=0.5, backend="redis")
    assert (error.layer, error.retry_after, error.backend) == ("limit", 0.5, "redis")
    assert (error.sent, error.transient) == ("no", False)
    assert kind().retry_after is None


def test_c6_errors_of_time_are_also_what_python_calls_them() -> None:
    assert issubclass(errors.TimedOut, TimeoutError)
    assert issubclass(errors.DeadlineExceeded, TimeoutError)
    assert issubclass(errors.Unavailable, ConnectionError)


async def test_c6_the_backends_own_error_comes_out_marked_and_an_outer_retry_stops() -> None:
    backend = ScriptedKeyValue()
    first = Unavailable("down")
    backend.expect(Get).raises(first).always()
    stack = Stack(Retry(3, base=0), Retry(2, base=0), allow={"E09": "to see it not multiply"})
    store = stack.over(backend)

    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert len(backend.calls) == 2
    assert caught.value.retry_exhausted > 0
    assert caught.value.__cause__ is None
    assert "gave up after 2 attempts in 0 s" in caught.value.__notes__


async def test_c6_a_refusal_tells_layer_backend_and_wait() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable("down")).always()
    store = Stack(Breaker(min_calls=1, jitter=0.0, break_for=4.0), Timeout(1)).over(backend)
    with pytest.raises(Unavailable):
        await store.get("a")
    with pytest.raises(CircuitOpen) as caught:
        await store.get("a")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.layer, error.backend, error.retry_after) == ("breaker", "scripted", 4.0)
    assert str(error.brief) == "keyvalue.Get('a')"
