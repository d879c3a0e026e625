"""A plan prints as a table and as JSON."""

from __future__ import annotations

import json

import pytest

from lamina.domains.keyvalue import SetMany
from lamina.plan import Lost, Plan, PlannedLayer, PlannedOperation, Worst
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue

PLAN = Plan(
    backend="memory",
    layers=(PlannedLayer("retry", "Retry(attempts=3)"), PlannedLayer("breaker", "Breaker()", "x")),
    operations=(
        PlannedOperation("Get", False, ("retry", "breaker"), Worst(3, 1.5), ("fast",)),
        PlannedOperation("Set", True, (), Worst(), ()),
    ),
    lost=(Lost("Scan", "Seal()"),),
    amplification=3,
)


def test_prints_as_a_table() -> None:
    assert str(PLAN).splitlines() == [
        "stack over memory, outermost first:",
        "  retry            Retry(attempts=3)",
        "  breaker          Breaker()  (shared as 'x')",
        "",
        "worst case (3 attempts for one call at the most):",
        "  operation  layers, outermost first  attempts  seconds   features",
        "  Get        retry > breaker          3         1.5       fast",
        "  Set        -                        1         no bound  -",
        "  lost: Scan at Seal()",
    ]


def test_prints_as_json() -> None:
    told = json.loads(PLAN.to_json())
    assert told["backend"] == "memory"
    assert told["operations"][0] == {
        "operation": "Get",
        "writes": False,
        "slots": ["retry", "breaker"],
        "worst": {"attempts": 3, "seconds": 1.5},
        "features": ["fast"],
    }
    assert told["lost"] == [{"operation": "Scan", "layer": "Seal()"}]
    assert "\n" not in PLAN.to_json(indent=None)


def test_is_frozen() -> None:
    with pytest.raises(AttributeError):
        PLAN.backend = "other"  # type: ignore[misc]


def test_tells_a_batch_that_singles_answer() -> None:
    plan = Stack().over(ScriptedKeyValue(without=(SetMany,))).bound.plan()
    features = {op.operation: op.features for op in plan.operations}
    assert features["SetMany"] == ("emulated",)
    assert features["GetMany"] == ()
    assert [op.operation for op in plan.operations] == sorted(features)
