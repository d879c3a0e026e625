"""The language of filters, as a truth table."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import Invalid
from lamina.filters import F, Filter
from lamina.testing.contracts.filters import FILTERS

META = {"n": 1, "s": "b", "t": True, "f": 1.5, "l": [1, "x", True], "o": {"n": 2}, "z": None}

TRUE = [
    F.n == 1,
    F.n == 1.0,
    F.n != 2,
    F.n < 2,
    F.n <= 1,
    F.n > 0,
    F.n >= 1,
    F.f > 1,
    F.s == "b",
    F.s != "a",
    F.s > "a",
    F.s < "c",
    F.t == True,  # noqa: E712
    F.t != False,  # noqa: E712
    F.n.is_in([2, 1]),
    F.l.contains(1),
    F.l.contains("x"),
    F.n.exists(),
    F.z.exists(),
    F["o.n"] == 2,
    F.n.between(1, 1),
    ~(F.n == 2),
    ~F.missing.exists(),
    ~(F.missing == 1),
    ~(F.missing != 1),
    (F.n == 1) & (F.s == "b"),
    (F.n == 2) | (F.s == "b"),
]
FALSE = [
    F.n == 2,
    F.n == "1",
    F.n == True,  # noqa: E712
    F.t == 1,
    F.n != 1,
    F.n != "1",
    F.missing == 1,
    F.missing != 1,
    F.z == "None",
    F.z != 1,
    F.o == "x",
    F.l == 1,
    F.n < "2",
    F.s < 1,
    F.n.is_in([]),
    F.n.is_in(["1", True]),
    F.l.contains("y"),
    F.s.contains("b"),
    F.missing.exists(),
    F["o.m"].exists(),
    F["n.m"].exists(),
    F["s.x"].exists(),
    F.n.between(2, 3),
    ~(F.n == 1),
    (F.n == 1) & (F.s == "a"),
    (F.n == 2) | (F.s == "a"),
]


@pytest.mark.parametrize("condition", TRUE, ids=repr)
def test_holds(condition: Filter) -> None:
    assert condition.matches(META)
    assert not (~condition).matches(META)


@pytest.mark.parametrize("condition", FALSE, ids=repr)
def test_does_not_hold(condition: Filter) -> None:
    assert not condition.matches(META)
    assert (~condition).matches(META)


def test_twice_not_is_the_filter_itself() -> None:
    condition = F.n == 1
    assert ~~condition is condition


def test_chains_are_flat_and_keep_their_meaning() -> None:
    condition = (F.n == 1) & (F.s == "b") & (F.t == True)  # noqa: E712
    assert condition == (F.n == 1) & ((F.s == "b") & (F.t == True))  # noqa: E712
    assert condition.matches(META)


def test_only_equal_filters_have_equal_keys() -> None:
    keys = [condition.key() for condition in FILTERS]
    for place, condition in enumerate(FILTERS):
        equal = [other for other, key in enumerate(keys) if key == keys[place]]
        for other in equal:
            told = {
                (condition.matches(meta), FILTERS[other].matches(meta))
                for meta in ({"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"tag": "x"}, {})
            }
            assert all(one == two for one, two in told)
    assert (F.n == 1).key() != (F.n == True).key()  # noqa: E712
    hash(((F.n == 1) & ~(F.l.contains("x")) | F.n.is_in([1])).key())


def test_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="combine filters with &"):
        bool(F.n == 1)
    with pytest.raises(TypeError):
        _ = 1 < F.n < 3


@pytest.mark.parametrize("name", ["", "a-b", "a..b", ".a", "a b", "1a", "é", "a\0", "a;", "a'"])
def test_refuses_a_field_name_that_is_no_identifier(name: str) -> None:
    with pytest.raises(Invalid, match="field name"):
        F[name] == 1  # noqa: B015


@pytest.mark.parametrize("value", [None, [], {}, b"x", float("nan"), float("inf"), object()])
def test_refuses_a_value_that_is_no_finite_scalar(value: Any) -> None:
    for build in (F.n.__eq__, F.n.__lt__, F.n.contains, lambda v: F.n.is_in([v])):
        with pytest.raises(Invalid):
            build(value)


def test_orders_no_booleans() -> None:
    with pytest.raises(Invalid, match="got bool"):
        _ = F.n < True
