"""No option of any layer takes what no option can be."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import lamina
from lamina.backends.memory import MemoryKeyValue
from lamina.config.registry import LAYERS
from lamina.errors import StackError
from lamina.stack import Stack


class Unshown:
    """What can be neither shown nor compared."""

    __hash__ = None  # type: ignore[assignment]  # nor looked up

    def __repr__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


OTHER = Stack().over(MemoryKeyValue()).bound
NEEDED: dict[str, dict[str, Any]] = {
    "Deadline": {"seconds": 1},
    "Timeout": {"seconds": 1},
    "Limit": {"at_once": 1},
    "Throttle": {"rate": 1},
    "Quota": {"rate": 1},
    "Fallback": {"to": OTHER},
    "Shadow": {"to": OTHER},
    "Seal": {"keys": lamina.Seal.new_key()},
}
WRONG: dict[str, Any] = {
    "NaN": float("nan"),
    "infinite": float("inf"),
    "minus infinite": float("-inf"),
    "negative": -1,
    "enormous": 10**5000,
    "as far below": -(10**5000),
    "complex": 1j,
    "bytes": b"x",
    "object": object(),
    "unshown": Unshown(),
}
KINDS = {place.partition(":")[2] for place in LAYERS.values()}
OPTIONS = [(k, o) for k in sorted(KINDS) for o in inspect.signature(getattr(lamina, k)).parameters]


@pytest.mark.parametrize("wrong", list(WRONG))
@pytest.mark.parametrize(("kind", "option"), OPTIONS, ids=[".".join(pair) for pair in OPTIONS])
def test_what_no_option_can_be_is_refused_by_name(kind: str, option: str, wrong: str) -> None:
    given = {**NEEDED.get(kind, {}), option: WRONG[wrong]}

    with pytest.raises(StackError, match=option) as caught:
        getattr(lamina, kind)(**given)

    assert str(caught.value).startswith(f"{kind}: ")
    assert len(str(caught.value)) < 300


def test_all_layers_are_tried() -> None:
    assert {kind for kind, _ in OPTIONS} | {"ReadOnly"} == KINDS
    assert set(NEEDED) <= KINDS


@pytest.mark.parametrize("kind", ["Chaos", "Hedge"])
def test_a_misspelt_operation_is_refused_where_the_stack_is_put_over_a_backend(kind: str) -> None:
    layer = getattr(lamina, kind)(0.1, ops=["Get", "Gett"])

    with pytest.raises(StackError, match=f"{kind}: ops must be of .*Get.*, got 'Gett'"):
        Stack(layer).over(MemoryKeyValue())
