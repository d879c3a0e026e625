"""The orders that are refused, each beside the nearest one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rules_stub import of

import lamina
from lamina.domains.keyvalue import Append, Get, KeyValue, Set
from lamina.errors import StackError
from lamina.layer import SLOTS, Layer
from lamina.layers.breaker import Breaker
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.rules import RULES, WARNINGS, check
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue

Layers = tuple[Layer, ...]


def store_of(*layers: Layer) -> KeyValue:
    return Stack(*layers).over(ScriptedKeyValue())


CASES: list[tuple[str, Layers, list[str], Layers]] = [
    (
        "E00",
        (of("limit", at_once=1), of("limit", at_once=2)),
        ["Limit(at_once=1)", "Limit(at_once=2)", "both fill slot 'limit'", "keep one"],
        (of("limit", at_once=1), of("timeout")),
    ),
    (
        "E01",
        (of("timeout"), of("retry"), of("breaker")),
        ["Timeout()", "Breaker()", "sees a hang as", "put Timeout inside Breaker"],
        (of("retry"), of("breaker"), of("timeout")),
    ),
    (
        "E02",
        (of("deadline", seconds=2), of("timeout", seconds=2.0)),
        ["Timeout(seconds=2.0)", "Deadline(seconds=2)", "a hang is never counted", "shorter"],
        (of("deadline", seconds=2), of("timeout", seconds=1.99)),
    ),
    (
        "E03",
        (of("breaker", window=9.9), of("timeout", seconds=5)),
        ["Breaker(window=9.9)", "Timeout(seconds=5)", "make window at least 10"],
        (of("breaker", window=10), of("timeout", seconds=5)),
    ),
    (
        "E04",
        (of("deadline", seconds=1), of("hedge", delay=0.4, hedges=3)),
        ["Hedge(delay=0.4, hedges=3)", "after 1.2 s", "Deadline(seconds=1)", "smaller"],
        (of("deadline", seconds=1), of("hedge", delay=0.5, hedges=2)),
    ),
    (
        "E05",
        (of("retry"), of("cache")),
        ["Cache()", "inside Retry()", "healthy calls", "put Cache outside Retry"],
        (of("cache"), of("retry")),
    ),
    (
        "E05",
        (of("breaker"), of("cache")),
        ["Cache()", "inside Breaker()", "healthy calls", "put Cache outside Breaker"],
        (of("cache"), of("breaker")),
    ),
    (
        "E05",
        (of("limit"), of("cache")),
        ["Cache()", "inside Limit()", "take the places of calls", "put Cache outside Limit"],
        (of("cache"), of("limit")),
    ),
    (
        "E05",
        (of("throttle"), of("cache")),
        ["Cache()", "inside Throttle()", "spend what calls may", "put Cache outside Throttle"],
        (of("quota"), of("cache"), of("throttle")),
    ),
    (
        "E05",
        (of("hedge"), of("cache")),
        ["Cache()", "inside Hedge()", "a wrong delay", "put Cache outside Hedge"],
        (of("cache"), of("hedge")),
    ),
    (
        "E06",
        (of("limit", at_once=10), of("retry", attempts=3)),
        ["Limit(at_once=10)", "outside Retry(attempts=3)", "keeps its place", "inside Retry"],
        (of("retry", attempts=3), of("limit", at_once=10)),
    ),
    (
        "E07",
        (of("retry"), of("fallback")),
        ["Fallback()", "inside Retry()", "never sees that the backend failed", "outside Retry"],
        (of("fallback"), of("retry")),
    ),
    (
        "E07",
        (of("breaker"), of("fallback")),
        ["Fallback()", "inside Breaker()", "never sees that the backend failed", "outside Breaker"],
        (of("fallback"), of("breaker")),
    ),
    (
        "E08",
        (of("hedge"), of("retry")),
        ["Retry()", "inside Hedge()", "attempts multiply", "put Retry outside Hedge"],
        (of("retry"), of("hedge")),
    ),
    (
        "E09",
        (of("retry", attempts=2), of("retry", attempts=3)),
        ["Retry(attempts=2)", "Retry(attempts=3)", "multiply their attempts", "keep one"],
        (of("retry"),),
    ),
    (
        "E10",
        (of("hedge", ops=(Get, Set)),),
        ["Hedge(", "would send Set twice", "may come last", "hedge reads only"],
        (of("hedge", ops=(Get,)), of("timeout")),
    ),
    (
        "E11",
        (of("chaos"), of("timeout", seconds=1)),
        ["Timeout(seconds=1)", "inside Chaos()", "put Chaos innermost"],
        (of("timeout", seconds=1), of("chaos")),
    ),
    (
        "E12",
        (of("breaker", shared="a"), of("breaker", shared="b")),
        ["Breaker(shared=a)", "Breaker(shared=b)", "two breakers on one path", "keep one"],
        (of("breaker", shared="a"),),
    ),
    (
        "E12",
        (of("throttle", shared="a"), of("limit"), of("throttle", shared="a")),
        ["the same throttle twice on one path", "count each call twice", "keep one"],
        (of("throttle", shared="a"), of("limit", shared="a")),
    ),
    (
        "E14",
        (of("cache", l2=store_of()), of("seal", keys=1)),
        ["Cache(l2=", "in plain", "Seal(keys=1) hides", "put a Seal into the stack of l2"],
        (of("cache", l2=store_of(of("seal"))), of("seal", keys=1)),
    ),
    (
        "E14",
        (of("cache", l2=object()), of("squeeze"), of("seal")),
        ["Cache(l2=<object", "in plain", "put a Seal into the stack of l2"],
        (of("cache", l2=object()), of("squeeze")),
    ),
]


def name_of(case: tuple[str, Layers, list[str], Layers]) -> str:
    return f"{case[0]}-{'-'.join(layer.slot for layer in case[1])}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_wrong_order_is_refused_with_its_reason_and_fix(
    case: tuple[str, Layers, list[str], Layers],
) -> None:
    code, wrong, parts, _ = case

    with pytest.raises(StackError) as caught:
        Stack(*wrong)

    told = str(caught.value)
    assert told.startswith(f"{code}: ")
    assert [part for part in parts if part not in told] == [], told


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_order_that_the_fix_gives_is_legal(case: tuple[str, Layers, list[str], Layers]) -> None:
    assert Stack(*case[3]).layers == case[3]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_wrong_order_is_allowed_for_a_reason(case: tuple[str, Layers, list[str], Layers]) -> None:
    code, wrong, _, _ = case

    assert Stack(*wrong, allow={code: "measured"}).layers == wrong
    with pytest.raises(StackError, match="gives a reason"):
        Stack(*wrong, allow={code: "  "})


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(RULES)


def test_the_order_of_the_slots_breaks_no_rule() -> None:
    assert len(Stack(*map(of, SLOTS)).layers) == len(SLOTS)


def test_the_same_limit_twice_is_more_than_two_in_a_slot() -> None:
    limit = of("limit", at_once=2)
    with pytest.raises(StackError, match=r"E12: .* the same limit twice"):
        Stack(limit, limit)
    with pytest.raises(StackError, match=r"E12: .* the same limit twice"):
        Stack(limit, limit, allow={"E00": "measured"})
    with pytest.raises(StackError, match="E00"):
        Stack(of("limit", shared="a"), of("limit", shared="b"))


def test_a_hedge_without_a_fixed_delay_has_none_to_be_too_long() -> None:
    Stack(of("deadline", seconds=1), of("hedge", delay=None, hedges=100))


def test_one_timeout_inside_the_breaker_is_enough() -> None:
    outer, inner = of("timeout", seconds=2), of("timeout", seconds=1)
    Stack(outer, of("breaker"), inner, allow={"E00": "one for all, one for each"})


def test_a_write_that_a_hedge_names_is_refused_over_the_backend_that_serves_it() -> None:
    stack = Stack(of("hedge", ops=("Get", "Append")))
    with pytest.raises(StackError, match=r"E10: .*would send Append twice"):
        stack.over(ScriptedKeyValue())
    stack.over(ScriptedKeyValue(without=(Append,)))
    Stack(of("hedge", ops=("Get",))).over(ScriptedKeyValue())
    Stack(of("hedge", ops=("Append",)), allow={"E10": "it is keyed"}).over(ScriptedKeyValue())


def test_chaos_has_no_place_in_production_whatever_is_allowed() -> None:
    chaos = of("chaos", rate=0.1)
    check((chaos,), {})
    with pytest.raises(StackError, match=r"E11: Chaos\(rate=0.1\) has no place in production"):
        check((chaos,), {"E11": "a drill"}, production=True)
    check((of("timeout"),), {}, production=True)


def test_options_of_the_wrong_type_are_left_to_their_layer() -> None:
    Stack(of("deadline", seconds=True), of("timeout", seconds="5"), of("chaos", rate=None))
    Stack(of("breaker", window=None), of("timeout", seconds=1))
    Stack(of("hedge", ops=None, delay="soon"))


def test_layers_of_ours_with_their_defaults_are_legal_together() -> None:
    Stack(Retry(), Breaker(), Timeout(15))
    with pytest.raises(StackError, match="E03"):
        Stack(Retry(), Breaker(), Timeout(15.1))
    Stack(Retry(), Breaker(last=100), Timeout(15.1))  # judges calls however old


def test_the_docs_name_the_slots_of_all_layers_in_their_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
    named = page.partition("exist: ")[2].partition(".")[0].replace("\n", " ").split(", ")
    found = {layer.slot for layer in shipped().values()}
    assert named == [slot for slot in SLOTS if slot in found and slot != "attempt-metrics"]


def shipped() -> dict[str, type[Layer]]:
    """Return the layers that ship, by name."""
    made = (getattr(lamina, name) for name in lamina.__all__)
    kinds = (one for one in made if isinstance(one, type))
    return {kind.__name__: kind for kind in kinds if issubclass(kind, Layer) and kind is not Layer}


def test_all_rules_stand_in_the_table_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
    for code, rule in RULES.items():
        assert f"| {code} | {rule.refused} | {rule.because} |" in page
    for code in WARNINGS:
        assert f"| {code} |" in page
