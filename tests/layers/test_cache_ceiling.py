"""One ceiling over several shelves: their sum never exceeds it, and none is starved."""

from __future__ import annotations

import gc
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import mutant

from lamina.errors import StackError
from lamina.layers.cache import ceiling
from lamina.layers.cache.ceiling import Ceiling
from lamina.layers.cache.shelf import Entry, Shelf

ROOM = 100


def put(
    shelf: Shelf,
    table: dict[Any, Entry],
    key: object,
    size: int = 10,
    *,
    ends: float = 1e9,
    now: float = 0.0,
) -> bool:
    return shelf.put(
        Entry(table, key, None, marks=(), expires=ends, until=None, size=size, stored=now)
    )


def three(most: int = ROOM, *rooms: int) -> tuple[Ceiling, list[Shelf], list[dict[Any, Entry]]]:
    over = Ceiling(most)
    shelves = [Shelf(1000, room) for room in rooms or (ROOM, ROOM, ROOM)]
    for shelf in shelves:
        over.join(shelf)
    return over, shelves, [{} for _ in shelves]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "use", "drop", "leave", "join"]),
            st.integers(0, 2),
            st.integers(0, 9),
            st.integers(1, ROOM + 5),
        ),
        max_size=60,
    )
)
def test_ca13_sum_stays_under_the_ceiling_whatever_happens(
    actions: list[tuple[str, int, int, int]],
) -> None:
    over, shelves, tables = three()
    under = {0, 1, 2}
    for action, at, key, size in actions:
        shelf, table = shelves[at], tables[at]
        if action == "put":
            assert put(shelf, table, key, size) == (size <= ROOM)
        elif action == "leave":
            over.leave(shelf)
            under.discard(at)
        elif action == "join":
            over.join(shelf)
            under.add(at)
        elif key in table and action == "use":
            table[key].used = True
        elif key in table:
            shelf.drop(table[key])
        assert over.bytes == sum(shelves[one].currsize for one in under) <= ROOM
        for one, other in zip(shelves, tables, strict=True):
            assert set(one) == set(other.values())


def test_a_ceiling_that_is_exceeded_is_found() -> None:
    broken = mutant(ceiling, "self.bytes + size > self.max_bytes", "self.bytes > self.max_bytes")
    over = broken.Ceiling(ROOM)
    shelf, table = Shelf(1000, ROOM), dict[Any, Entry]()
    other, others = Shelf(1000, ROOM), dict[Any, Entry]()
    over.join(shelf)
    over.join(other)
    for key in range(12):
        put(shelf, table, key)
        put(other, others, key)

    assert over.bytes > ROOM


def test_a_shelf_in_much_use_takes_what_others_leave_but_not_their_share() -> None:
    over, (busy, calm, idle), (one, two, _) = three()
    for key in range(3):
        put(calm, two, key)
    for key in range(50):
        put(busy, one, key)

    assert (busy.currsize, calm.currsize, idle.currsize) == (70, 30, 0)
    for key in range(3, 50):
        put(calm, two, key)
    assert (busy.currsize, calm.currsize) == (50, 50)
    assert over.bytes == ROOM


def test_shares_go_by_the_room_each_was_given() -> None:
    _, (large, small), (one, two) = three(100, 300, 100)
    for key in range(50):
        put(large, one, key, 5)
        put(small, two, key, 5)

    assert large.currsize == pytest.approx(75, abs=5)
    assert small.currsize == pytest.approx(25, abs=5)


def test_what_is_past_its_time_leaves_first_wherever_it_stands() -> None:
    _, (full, other, _), (one, two, _) = three()
    put(other, two, "old", ends=5.0)
    for key in range(9):
        put(full, one, key)

    put(full, one, "new", now=6.0)

    assert "old" not in two
    assert len(full) == 10


def test_what_is_larger_than_the_ceiling_is_refused_and_evicts_nothing() -> None:
    over, (shelf, *_), (table, *_) = three(50)
    put(shelf, table, "a")

    assert not put(shelf, table, "b", 51)
    assert list(table) == ["a"]
    assert over.bytes == 10


def test_a_shelf_that_left_counts_no_more_and_is_not_evicted_from() -> None:
    over, (shelf, other, _), (table, others, _) = three()
    for key in range(9):
        put(shelf, table, key)
    over.leave(shelf)
    over.leave(shelf)
    for key in range(10):
        put(other, others, key)

    assert (over.bytes, shelf.currsize, other.currsize) == (100, 90, 100)
    over.join(shelf)
    assert over.bytes == 100


def test_a_shelf_is_under_one_ceiling_at_a_time() -> None:
    first, (shelf, *_), _ = three()
    second = Ceiling(10)
    second.join(shelf)
    second.join(shelf)

    assert shelf not in [*first.shelves()]
    assert [*second.shelves()] == [shelf]
    first.leave(shelf)
    assert shelf.ceiling is second


def test_a_shelf_that_nobody_holds_is_forgotten_with_its_bytes() -> None:
    over, shelves, tables = three()
    put(shelves[0], tables[0], "a")
    shelves.clear()
    tables.clear()
    gc.collect()

    assert over.bytes == 0
    assert [*over.shelves()] == []


@pytest.mark.parametrize("most", [0, -1, 1.5, math.nan, math.inf, True, "1", None], ids=repr)
def test_a_ceiling_of_no_whole_number_is_refused(most: Any) -> None:
    with pytest.raises(StackError, match="max_bytes"):
        Ceiling(most)
