"""The arithmetic of retries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import Throttled, Unavailable
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
