"""Options that cannot work are refused with their name, their range and what was given."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lamina.errors import StackError
from lamina.options import (
    check_choice,
    check_flag,
    check_hook,
    check_name,
    check_number,
    check_order,
    check_whole,
)

NAN, INFINITE = float("nan"), float("inf")


class Given:
    def __init__(self, value: object, other: object = None) -> None:
        self.value = value
        self.other = other


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [0.5, 1, 2.5, 3])
def test_a_number_in_its_range_passes(value: float) -> None:
    check_number(Given(value), "value", least=0.5, most=3)
    check_number(Given(value), "value", above=0, below=3.1)


@pytest.mark.parametrize(
    "value", [0, 3.5, -1, NAN, INFINITE, -INFINITE, True, "1", None, [1], 1 + 0j, 10**400]
)
def test_a_number_out_of_its_range_or_no_number_is_refused(value: Any) -> None:
    with pytest.raises(StackError, match="Given: value must be a finite number above 0 to 3, got"):
        check_number(Given(value), "value", above=0, most=3)


def test_a_bound_may_be_open() -> None:
    wanted = re.escape("Given: value must be a finite number from 0 to less than 1, got 1")
    with pytest.raises(StackError, match=wanted):
        check_number(Given(1), "value", least=0, below=1)


@pytest.mark.parametrize("value", [0, 1.0, True, NAN, "1", -(10**400)])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(StackError, match="Given: value must be a whole number from 1, or None"):
        check_whole(Given(value), "value", least=1, optional=True)


def test_none_passes_where_it_is_allowed() -> None:
    check_whole(Given(None), "value", least=1, optional=True)
    check_number(Given(None), "value", least=1, optional=True)
    check_order(Given(None, 1), "value", "other")
    check_name(Given(None), "value")
    check_hook(Given(None), "value")


def test_options_that_contradict_each_other_are_refused() -> None:
    check_order(Given(1, 1), "value", "other")
    with pytest.raises(StackError, match="Given: value must be at most other, got 2 and 1"):
        check_order(Given(2, 1), "value", "other")


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(StackError, match="Given: value must be True or False, got"):
        check_flag(Given(value), "value")


@pytest.mark.parametrize("value", ["", 1, b"name", True])
def test_what_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(StackError, match="Given: value must be a name or None, got"):
        check_name(Given(value), "value")


@pytest.mark.parametrize("value", ["c", None, 1, ["a"]])
def test_what_is_no_choice_is_refused(value: Any) -> None:
    check_choice(Given("a"), "value", ["a", "b"])
    with pytest.raises(StackError, match="Given: value must be one of 'a', 'b', got"):
        check_choice(Given(value), "value", ["a", "b"])


async def waits() -> None: ...


class Waits:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize("value", [1, "len", waits, Waits()], ids=["int", "str", "async", "call"])
def test_what_cannot_be_called_or_must_be_awaited_is_refused_as_a_hook(value: Any) -> None:
    check_hook(Given(len), "value")
    with pytest.raises(StackError, match="Given: value must be a function that is not async"):
        check_hook(Given(value), "value")


@pytest.mark.parametrize("value", [10**5000, Unshown()], ids=["huge", "unshown"])
def test_what_cannot_be_shown_is_refused_all_the_same(value: Any) -> None:
    with pytest.raises(StackError, match=r"must be .*, got a (int|Unshown)"):
        check_whole(Given(value), "value", least=1)


def test_what_is_shown_is_short() -> None:
    with pytest.raises(StackError) as caught:
        check_whole(Given("x" * 10_000), "value", least=1)

    assert len(str(caught.value)) < 200
