"""Which failures another store may answer for: every combination, and mutants it must catch."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from mutants import mutant

from lamina import errors
from lamina.domains.documents import Update
from lamina.domains.keyvalue import Get, Scan, Set
from lamina.layers.fallback import core

PASSING = {"Unavailable", "TimedOut", "Throttled", "CircuitOpen", "LimitReached", "RateLimited"}
PASSING |= {"Rejected"}
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.StorageError)
]
FRESH = "a fresh read is answered by this store or not at all"
OWN = "it goes on from what this store alone gave"
DOUBT = "this write may have arrived"
OPS = [  # with why each may not be answered elsewhere after a failure with sent = no, or maybe
    (Get("a"), None, None),
    (Get("a", fresh=True), FRESH, FRESH),
    (Scan(), None, None),
    (Scan(cursor="7"), OWN, OWN),
    (Set("a", b""), None, DOUBT),
    (Update("a", "text"), None, DOUBT),
    (Update("a", "text", expected_version=1), OWN, OWN),
]
LEFT = [None, -1.0, 0.0, 0.001]


def wrong(module: Any) -> list[str]:
    """Return every combination for which the module decides otherwise than this page says."""
    found: list[str] = []
    for kind, left, reserve in product(KINDS, LEFT, [0.0, 0.25]):
        policy = module.Policy(module.LISTED, reserve)
        name = kind.__name__
        is_reserved = name == "DeadlineExceeded" and reserve > 0 and left is not None
        is_over = left is not None and left <= 0
        if policy.counts(kind(), left) is not ((name in PASSING or is_reserved) and not is_over):
            found.append(f"{name} with {left} left and {reserve} kept")
    policy = module.Policy(module.LISTED, 0.25)
    for op, *reasons in OPS:
        for sent, reason in zip(["no", "maybe"], reasons, strict=True):
            if policy.refusal(op, errors.Unavailable(sent=sent)) != reason:
                found.append(f"{op!r} after sent={sent}")
    never = {"Conflict", "Invalid", "AuthError", "Unsupported", "DeadlineExceeded", "BatchFailed"}
    for kind in KINDS:
        told = module.is_listable(kind)
        if told is not (kind.__name__ not in never | {"StorageError", "BackendError"}):
            found.append(f"{kind.__name__} in a list")
    return found


def test_fb1_fb3_fb4_every_combination_is_decided_as_told() -> None:
    assert wrong(core) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LISTED: Final = (Unavailable, ", "LISTED: Final = ("),
        (
            "LISTED: Final = (Unavailable, TimedOut, Throttled, Rejected)",
            "LISTED = (StorageError,)",
        ),
        ("self.reserve > 0 and ", ""),
        ("self.reserve > 0 and left is not None", "self.reserve > 0"),
        ("left <= 0:", "left < 0:"),
        ("left is not None and left <= 0:", "False:"),
        ("return isinstance(error, self.on)", "return not isinstance(error, NEVER)"),
        ("not op.portable()", "False"),
        ("op.writes and error.sent", "error.sent"),
        ('error.sent != "no"', "False"),
        ('getattr(op, "fresh", False)', "False"),
        ("and not issubclass(kind, NEVER)", ""),
        ("and kind not in _COVER", ""),
        ("Invalid, AuthError, Unsupported, DeadlineExceeded)\n", "Invalid, Unsupported)\n"),
    ],
)
def test_a_mutant_of_the_policy_is_caught(old: str, new: str) -> None:
    assert wrong(mutant(core, old, new))
