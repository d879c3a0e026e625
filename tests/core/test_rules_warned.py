"""What a plan warns of, each beside the nearest that it does not."""

from __future__ import annotations

import json

import pytest
from rules_stub import of

from lamina.errors import StackError
from lamina.layer import Layer
from lamina.layers.cache import Cache
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.plan import PlannedOperation, Warned, Worst
from lamina.rules import WARNINGS, warn
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue

Layers = tuple[Layer, ...]

CASES: list[tuple[str, Layers, list[str], Layers]] = [
    (
        "W02",
        (of("throttle", rate=5), of("retry")),
        ["Throttle(rate=5)", "outside Retry()", "does not count", "inside Retry, or use Quota"],
        (of("retry"), of("throttle", rate=5)),
    ),
    (
        "W02",
        (of("throttle", rate=5), of("hedge")),
        ["Throttle(rate=5)", "outside Hedge()", "inside Hedge, or use Quota"],
        (of("hedge"), of("throttle", rate=5)),
    ),
    (
        "W02",
        (of("limit"), of("hedge")),
        ["Limit()", "outside Hedge()", "put Limit inside Hedge"],
        (of("hedge"), of("limit")),
    ),
    (
        "W03",
        (of("deadline", seconds=6.9), of("retry", attempts=4, base=1.0, cap=20.0)),
        ["may wait 7 s", "Deadline(seconds=6.9)", "attempts, base or cap smaller"],
        (of("deadline", seconds=7), of("retry", attempts=4, base=1.0, cap=20.0)),
    ),
    (
        "W03",
        (of("deadline", seconds=4.9), of("retry", attempts=4, base=1.0, cap=2.0)),
        ["may wait 5 s"],
        (of("deadline", seconds=5), of("retry", attempts=4, base=1.0, cap=2.0)),
    ),
    (
        "W05",
        (of("retry", attempts=5, budget=None),),
        ["budget=None) has no budget", "5 times the load", "leave budget"],
        (of("retry", attempts=5, budget=500),),
    ),
    (
        "W06",
        (of("cache", jitter=0),),
        ["Cache(jitter=0)", "expire in one moment", "jitter above 0"],
        (of("cache", jitter=0.01),),
    ),
    (
        "W07",
        (of("retry"), of("seal")),
        ["Seal()", "inside Retry()", "again for each attempt", "put Seal outside Retry"],
        (of("seal"), of("retry")),
    ),
    (
        "W07",
        (of("hedge"), of("squeeze")),
        ["Squeeze()", "inside Hedge()", "put Squeeze outside Hedge"],
        (of("squeeze"), of("hedge")),
    ),
    (
        "W10",
        (
            of("throttle", rate=4, per=10.0, burst=7),
            of("breaker", window=30.0, min_calls=20),
            of("timeout", seconds=1),
        ),
        ["fewer than min_calls=20 calls", "can never open", "min_calls smaller, or window longer"],
        (
            of("throttle", rate=4, per=10.0, burst=8),
            of("breaker", window=30.0, min_calls=20),
            of("timeout", seconds=1),
        ),
    ),
    (
        "W10",
        (
            of("throttle", rate=0.5, per=1.0, burst=None),
            of("breaker", window=30.0, min_calls=17),
            of("timeout", seconds=1),
        ),
        ["min_calls=17"],
        (
            of("throttle", rate=0.1, per=1.0, burst=None),
            of("breaker", window=30.0, min_calls=17, shared="with others"),
            of("timeout", seconds=1),
        ),
    ),
    (
        "W10",
        (
            of("throttle", rate=0.1, per=1.0, burst=None),
            of("breaker", window=30.0, last=None, min_calls=17),
            of("timeout", seconds=1),
        ),
        ["min_calls=17"],
        (
            of("throttle", rate=0.1, per=1.0, burst=None),
            of("breaker", window=30.0, last=20, min_calls=17),
            of("timeout", seconds=1),
        ),
    ),
    (
        "W13",
        (of("breaker", break_for=4.9), of("timeout", seconds=5)),
        ["Breaker(break_for=4.9)", "Timeout(seconds=5)", "break_for at least 5"],
        (of("breaker", break_for=5.0), of("timeout", seconds=5)),
    ),
    (
        "W15",
        (of("seal"), of("squeeze")),
        [
            "Squeeze()",
            "inside Seal()",
            "nothing that it could compress",
            "put Squeeze outside Seal",
        ],
        (of("squeeze"), of("seal")),
    ),
    (
        "W16",
        (of("retry"), of("batch")),
        ["Batch() stands inside Retry()", "each caller", "put Batch outside Retry"],
        (of("batch"), of("retry")),
    ),
    (
        "W16",
        (of("limit"), of("batch")),
        ["Batch() stands inside Limit()"],
        (of("batch"), of("limit")),
    ),
    (
        "W14",
        (of("deadline", seconds=5), of("breaker")),
        ["Breaker() has no Timeout inside", "add Timeout"],
        (of("deadline", seconds=5), of("breaker"), of("timeout", seconds=1)),
    ),
]


def name_of(case: tuple[str, Layers, list[str], Layers]) -> str:
    return f"{case[0]}-{'-'.join(layer.slot for layer in case[1])}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_what_is_seldom_meant_is_told_with_its_fix(
    case: tuple[str, Layers, list[str], Layers],
) -> None:
    code, doubtful, parts, fine = case

    (found,) = warn(doubtful, {}, ())

    assert found.code == code
    told = f"{found.text}; {found.fix}"
    assert [part for part in parts if part not in told] == [], told
    assert warn(fine, {}, ()) == ()


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_warning_is_silenced_for_a_reason_and_refuses_nothing(
    case: tuple[str, Layers, list[str], Layers],
) -> None:
    code, doubtful, _, _ = case

    stack = Stack(*doubtful, allow={code: "measured"})

    assert warn(stack.layers, stack.allow, ()) == ()
    assert Stack(*doubtful).layers == doubtful
    with pytest.raises(StackError, match="gives a reason"):
        Stack(*doubtful, allow={code: ""})


def planned(seconds: float | None, name: str = "Get") -> PlannedOperation:
    return PlannedOperation(name, False, (), Worst(1, seconds), ())


def test_calls_without_any_bound_are_told() -> None:
    (found,) = warn((), {}, (planned(1.0), planned(None, "Set"), planned(None)))
    assert found.code == "W01"
    assert found.text == "nothing bounds the time of Set and others"
    assert warn((), {}, [planned(None)])[0].text == "nothing bounds the time of Get"
    assert "lamina.call(deadline=...)" in found.fix
    assert warn((), {}, (planned(0.0), planned(1.0))) == ()
    assert warn((of("deadline", seconds=1),), {}, (planned(None),)) == ()
    assert warn((), {"W01": "the bot's own"}, (planned(None),)) == ()


def test_every_warning_has_a_case() -> None:
    assert {case[0] for case in CASES} | {"W01"} == set(WARNINGS)


def test_waits_of_very_many_attempts_are_summed_at_once() -> None:
    retry = of("retry", attempts=10**12, base=0.05, cap=20.0)
    (found,) = warn((of("deadline", seconds=5), retry), {}, ())
    assert found.code == "W03"
    none = of("retry", attempts=10**12, base=0, cap=20.0)
    assert warn((of("deadline", seconds=5), none), {}, ()) == ()


def test_a_plan_prints_its_warnings_and_has_them_in_its_json() -> None:
    stack = Stack(Cache(jitter=0), Retry(3, budget=None), Timeout(1))
    plan = stack.over(ScriptedKeyValue()).bound.plan()

    assert [warned.code for warned in plan.warnings] == ["W05", "W06"]
    last = str(plan).splitlines()[-1]
    assert last == f"  W06: {plan.warnings[1].text}; leave jitter above 0"
    told = json.loads(plan.to_json())["warnings"]
    assert told[1] == {"code": "W06", "text": plan.warnings[1].text, "fix": plan.warnings[1].fix}
    assert Warned(**told[0]) == plan.warnings[0]


def test_a_plan_warns_of_calls_that_nothing_bounds() -> None:
    (found,) = Stack().over(ScriptedKeyValue()).bound.plan().warnings
    assert found.code == "W01"
    assert Stack(Timeout(1)).over(ScriptedKeyValue()).bound.plan().warnings == ()
