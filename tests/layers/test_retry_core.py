"""The arithmetic of retries, and every way a small budget can be used."""

from __future__ import annotations

import inspect
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import Throttled, Unavailable
from lamina.layers.retry import core
from lamina.layers.retry.core import EXTRA, Policy

POLICY = Policy(attempts=3, base=0.05, cap=20.0, throttled_base=1.0, patient=False)


@given(
    retry=st.integers(0, 2000),
    chance=st.floats(0, 1),
    asked=st.none() | st.floats(0, 1e6),
    throttled=st.booleans(),
)
def test_rt2_a_delay_lies_within_its_formula(
    retry: int, chance: float, asked: float | None, throttled: bool
) -> None:
    error = (Throttled if throttled else Unavailable)(retry_after=asked)
    base = 1.0 if throttled else 0.05

    delay = POLICY.delay(error, retry, chance)

    own = chance * min(base * 2.0 ** min(retry, 100), 20.0)
    assert own <= delay <= own + EXTRA
    assert asked is None or delay >= min(asked, own + EXTRA)
    assert asked is not None or delay == own


def check_budget(module: Any) -> list[str]:
    """Walk every way to use a budget of 20 tokens; return what is wrong."""
    wrong: list[str] = []
    seen: set[tuple[int, int]] = set()
    todo: list[tuple[int, int]] = [(20, 0)]  # tokens, and retries out as costs of 14 and 5
    while todo and not wrong:
        tokens, out = todo.pop()
        if (tokens, out) in seen or out > 60:
            continue
        seen.add((tokens, out))
        for action, cost in (("take", 14), ("take", 5), ("give", 14), ("give", 5), ("give", 1)):
            budget = module.Budget(20)
            budget.tokens = tokens
            if action == "take":
                if budget.take(cost) != (tokens >= cost):
                    wrong.append(f"{tokens} tokens, a retry for {cost}")
                after = out + (tokens - budget.tokens)
            else:
                budget.give(cost)
                after = max(out - cost, 0)
            if not 0 <= budget.tokens <= 20:
                wrong.append(f"{action} {cost} leaves {budget.tokens}")
            denied = action == "take" and tokens < cost
            if denied != bool(budget.denied) or (denied and budget.tokens != tokens):
                wrong.append(f"{tokens} tokens, denied {budget.denied}")
            todo.append((budget.tokens, after))
    return wrong


def mutant(old: str, new: str) -> types.ModuleType:
    source = inspect.getsource(core)
    assert source.count(old) == 1, old
    made = types.ModuleType(core.__name__)
    made.__dict__["__name__"] = core.__name__
    exec(compile(source.replace(old, new), "mutant", "exec"), made.__dict__)
    return made


def test_rt10_no_use_of_the_budget_overdraws_or_overfills_it() -> None:
    assert check_budget(core) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if cost > self.tokens:", "if cost >= self.tokens:"),
        ("if cost > self.tokens:", "if self.tokens <= 0:"),
        ("min(self.tokens + tokens, self.capacity)", "self.tokens + tokens"),
        ("self.denied += 1", "pass"),
    ],
)
def test_a_broken_budget_is_caught(old: str, new: str) -> None:
    assert check_budget(mutant(old, new))
