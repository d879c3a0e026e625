"""The answer that holds many values is taken apart alike, however the network cuts it."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.backends.redis.values import Values


def encoded(values: list[bytes | None]) -> bytes:
    parts = [b"$-1\r\n" if v is None else b"$%d\r\n%b\r\n" % (len(v), v) for v in values]
    return b"*%d\r\n" % len(values) + b"".join(parts)


def taken(count: int, pieces: list[bytes]) -> Values:
    made = Values(count)
    for place, piece in enumerate(pieces):
        assert made.needs > 0, place
        assert made.needs <= sum(map(len, pieces[place:])), place
        made.feed(piece)
    return made


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(places), len(data)]
    pieces = (data[start:end] for start, end in pairwise(bounds))
    return [piece for piece in pieces if piece]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([b"a", b"bc"], id="plain"),
        pytest.param([b"", None, b"\r\n"], id="absent and line ends"),
        pytest.param([b"$1\r\nx", b"*1\r\n$1\r\ny\r\n"], id="looks like answers"),
        pytest.param([None], id="absent alone"),
    ],
)
def test_any_two_cuts_give_the_same_values(values: list[bytes | None]) -> None:
    data = encoded(values)
    for count in range(3):
        for places in combinations(range(len(data)), count):
            told = taken(len(values), cut(data, [*places]))
            assert told.found == values
            assert (told.needs, told.refusal) == (0, None)


def test_any_two_cuts_give_the_values_of_a_transaction() -> None:
    values = [b"a", None, b"\r\n"]
    text = b"-1 -2 5"
    for found in (values, [b"a"]):
        data = b"*2\r\n" + encoded([*found]) + b"$%d\r\n%b\r\n" % (len(text), text)
        for places in combinations(range(len(data)), 2):
            told = Values(len(found) + 1, b"*2", b"*%d" % len(found))
            for piece in cut(data, [*places]):
                assert told.needs > 0
                told.feed(piece)
            assert told.found == [*found, text]
            assert (told.needs, told.refusal) == (0, None)


def test_a_transaction_that_was_given_up_is_a_refusal() -> None:
    told = Values(2, b"*2", b"*1")
    told.feed(b"-EXECABORT disc")
    told.feed(b"arded\r\n")
    assert (told.refusal, told.needs) == ("EXECABORT discarded", 0)
    for wrong in (b"*-1\r\n", b"*2\r\n-ERR\r\n", b"*2\r\n*2\r\n", b"*3\r\n*1\r\n"):
        with pytest.raises(ValueError, match="another number"):
            Values(2, b"*2", b"*1").feed(wrong)


@given(
    st.lists(st.none() | st.binary(max_size=40) | st.just(b"\r\n$3\r\n"), min_size=1, max_size=8),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_all_values_come_back(values: list[bytes | None], places: list[int]) -> None:
    data = encoded(values)
    told = taken(len(values), cut(data, [min(place, len(data)) for place in places]))
    assert told.found == values


@pytest.mark.parametrize("at", [1, 4, 11])
def test_a_refusal_is_told_as_text(at: int) -> None:
    data = b"-ERR wrong\xff kind\r\n"

    told = taken(2, cut(data, [at]))

    assert told.refusal == "ERR wrong\ufffd kind"
    assert told.needs == 0


@pytest.mark.parametrize(
    "data",
    [
        b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",  # more than were asked for
        b"*1\r\n$1\r\na\r\n",
        b"+OK\r\n",
        b"$1\r\na\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"*2\r\n$x\r\na\r\n",
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n",  # another answer behind it
        b"*2\r\n$-1\r\n$-1\r\n+OK\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-ERR no\r\n+OK\r\n",
    ],
)
def test_what_was_not_asked_for_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Values(2).feed(data)


def test_it_says_how_much_is_surely_to_come_of_a_large_value() -> None:
    told = Values(1)

    told.feed(b"*1\r\n$1000000\r\nab")

    assert told.needs == 1_000_000
    rest: Any = bytes(999_998) + b"\r\n"
    told.feed(rest)
    assert told.found == [b"ab" + rest[:-2]]
