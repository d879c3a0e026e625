"""The retry budget: every way a small one can be used."""

from __future__ import annotations

from typing import Any

import pytest
from mutants import mutant

from lamina import budget


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
            purse = module.Budget(20)
            purse.tokens = tokens
            if action == "take":
                if purse.take(cost) != (tokens >= cost):
                    wrong.append(f"{tokens} tokens, a retry for {cost}")
                after = out + (tokens - purse.tokens)
            else:
                purse.give(cost)
                after = max(out - cost, 0)
            if not 0 <= purse.tokens <= 20:
                wrong.append(f"{action} {cost} leaves {purse.tokens}")
            denied = action == "take" and tokens < cost
            if denied != bool(purse.denied) or (denied and purse.tokens != tokens):
                wrong.append(f"{tokens} tokens, denied {purse.denied}")
            todo.append((purse.tokens, after))
    return wrong


def test_rt10_no_use_of_the_budget_overdraws_or_overfills_it() -> None:
    assert check_budget(budget) == []


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
    assert check_budget(mutant(budget, old, new))
