"""Errors: one tree, picklable, told in a line."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from lamina import errors
from lamina.errors import Brief, LaminaError, StorageError
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator


def _tree(kind: type[LaminaError]) -> Iterator[type[LaminaError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == "lamina.errors":
            yield from _tree(child)


EVERY = list(_tree(LaminaError))
STORAGE = [kind for kind in EVERY if issubclass(kind, StorageError)]


def test_the_tree_is_whole() -> None:
    public = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert {kind for kind in public if issubclass(kind, LaminaError)} == set(EVERY)


@pytest.mark.parametrize("kind", EVERY)
def test_needs_no_argument(kind: type[LaminaError]) -> None:
    assert str(kind()) == ""
    assert isinstance(pickle.loads(pickle.dumps(kind())), kind)


@pytest.mark.parametrize("kind", STORAGE)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_survives_pickling_with_all_it_knows(kind: type[StorageError], copied: Any) -> None:
    error = kind(
        "no answer",
        brief=Brief("Get", "keyvalue", "'a'"),
        backend="redis",
        layer="Timeout",
        transient=True,
        sent="no",
        retry_after=1.5,
    )
    error.add_note("gave up after 3 attempts")
    told = copied(error)
    assert type(told) is kind
    assert vars(told) == vars(error)
    assert str(told) == str(error) == "redis keyvalue.Get('a'): no answer"
    assert told.args == error.args


def test_a_failed_batch_survives_pickling_with_its_outcomes() -> None:
    error = errors.BatchFailed("1 of 2", outcomes=[Done(1), Failed(errors.Unavailable("down"))])
    told = pickle.loads(pickle.dumps(error))
    assert told.outcomes[0] == Done(1)
    assert type(told.outcomes[1].error) is errors.Unavailable


@pytest.mark.parametrize("kind", STORAGE)
def test_says_whether_to_try_again_and_whether_it_was_sent(kind: type[StorageError]) -> None:
    transient = {errors.Unavailable, errors.Throttled, errors.TimedOut}
    unsent = {errors.Invalid, errors.Unsupported, *_tree(errors.Rejected)}
    assert kind().transient is (kind in transient)
    assert kind().sent == ("no" if kind in unsent else "maybe")
    assert kind(transient=not kind().transient).transient is not kind().transient


def test_is_also_what_python_calls_it() -> None:
    assert issubclass(errors.StackError, ValueError)
    assert issubclass(errors.Unavailable, ConnectionError)
    assert issubclass(errors.TimedOut, TimeoutError)
    assert issubclass(errors.DeadlineExceeded, TimeoutError)
    assert not issubclass(errors.Closed, StorageError)
    assert not issubclass(errors.StackError, StorageError)


def test_tells_where_only_when_known() -> None:
    assert str(StorageError("message")) == "message"
    assert str(StorageError("message", backend="redis")) == "redis: message"
