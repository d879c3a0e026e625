"""Values: canonical JSON, frozen answers, vectors, and what keys may be."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import pytest

from lamina.errors import Corrupt, Invalid
from lamina.testing.samples import NAMES, REFUSED
from lamina.values import (
    EMPTY,
    FrozenDict,
    Json,
    Page,
    SparseVector,
    Vector,
    check_key,
    freeze,
    thaw,
)


def test_json_is_canonical() -> None:
    one = Json.of({"b": 1, "a": [1, None, "é"]})
    assert one == Json.of({"a": (1, None, "é"), "b": 1})
    assert one.data == '{"a":[1,null,"é"],"b":1}'.encode()
    assert Json.of({}) == EMPTY


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {1: 2},
        {None: 1},
        {"a": {1: 2}},
        b"bytes",
        {1, 2},
        pytest.param(object(), id="object"),
        "\ud800",
        {"\ud800": 1},
    ],
    ids=ascii,
)
def test_json_refuses_what_it_cannot_keep(value: Any) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        Json.of(value)


def test_json_refuses_a_loop_and_a_pit() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    for value in (loop, deep):
        with pytest.raises(Invalid, match="not JSON"):
            Json.of(value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"nul", b"[" * 100_000])
def test_stored_json_that_cannot_be_read_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Json(data).value()


def test_json_answers_frozen_and_thaws_to_a_private_copy() -> None:
    value = {"a": [1, {"b": 2}], "c": None}
    encoded = Json.of(value)
    frozen = encoded.value()
    assert frozen == {"a": (1, {"b": 2}), "c": None}
    assert encoded.thaw() == value
    assert encoded.thaw() is not encoded.thaw()
    assert thaw(frozen) == value
    assert repr(encoded) == f"Json(<{len(encoded.data)} bytes>)"


def test_a_frozen_dict_refuses_every_change() -> None:
    frozen = freeze({"a": {"b": 1}})
    changes = [
        lambda d: d.__setitem__("a", 1),
        lambda d: d.__delitem__("a"),
        lambda d: d.__ior__({"a": 1}),
        lambda d: d.clear(),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.setdefault("z", 1),
        lambda d: d.update(a=1),
    ]
    for target in (frozen, frozen["a"]):
        for change in changes:
            with pytest.raises(TypeError, match="immutable"):
                change(target)
    assert frozen == {"a": {"b": 1}}


def test_a_frozen_dict_is_still_a_dict() -> None:
    frozen = freeze({"a": {"b": [1]}})
    assert json.loads(json.dumps(frozen)) == {"a": {"b": [1]}}
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert type(pickle.loads(pickle.dumps(frozen))) is FrozenDict
    assert copy.deepcopy(frozen) == frozen
    assert len({frozen, freeze({"a": {"b": [1]}})}) == 1
    assert {**frozen} == frozen


def test_thawing_makes_no_link_to_the_answer() -> None:
    frozen = freeze({"a": [1]})
    mine = thaw(frozen)
    mine["a"].append(2)
    assert frozen == {"a": (1,)}


def test_a_vector_keeps_float32() -> None:
    vector = Vector.of([1, 0.1, -2.5])
    assert vector.dimension == 3
    assert vector.numbers() == pytest.approx((1, 0.1, -2.5), rel=1e-7)
    assert Vector(vector.data) == vector
    assert len({vector, Vector(vector.data)}) == 1
    assert repr(vector) == "Vector(<3 numbers>)"


@pytest.mark.parametrize(
    "numbers", [[], [math.nan], [1, math.inf], [-math.inf], ["1"], [None], [1e300]]
)
def test_a_vector_refuses_what_is_no_finite_float32(numbers: Any) -> None:
    with pytest.raises(Invalid):
        Vector.of(numbers)


@pytest.mark.parametrize("data", [b"", b"123", b"12345", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f"])
def test_a_vector_refuses_bytes_that_are_no_numbers(data: bytes) -> None:
    with pytest.raises(Invalid):
        Vector(data)


@pytest.mark.parametrize(
    ("indices", "values"),
    [((1,), ()), ((2**31,), (1.0,)), ((1,), (math.nan,)), ((1,), (math.inf,)), (("1",), (1.0,))],
)
def test_a_sparse_vector_refuses_what_is_no_pair(indices: Any, values: Any) -> None:
    with pytest.raises(Invalid):
        SparseVector(indices, values)


def test_keys_are_what_the_narrowest_service_takes() -> None:
    for name in NAMES:
        check_key(name)
    for name in REFUSED:
        with pytest.raises(Invalid):
            check_key(name)
    with pytest.raises(Invalid, match="at most 1024 bytes, got 1026"):
        check_key("ж" * 513)


def test_answers_cannot_be_changed() -> None:
    page: Any = Page(("a",), None)
    with pytest.raises(AttributeError):
        page.next = "b"
