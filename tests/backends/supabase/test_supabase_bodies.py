"""Bodies of any size are the JSON of what was given, and are made beside the loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.supabase import bodies

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=30,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, VALUES), st.integers(2, 9))
def test_a_body_is_the_json_of_what_was_given(value: dict[str, Any], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_PIECE", piece)
        body = asyncio.run(bodies.body_of(value))
    assert json.loads(body) == value


def test_large_things_are_whole() -> None:
    value = {
        "text": '\x00"\\\n\U0001f600' * 30_000,
        "words": [f"w{at}" for at in range(100_000)],
        "items": [{"id": f"{at}", "content": "x" * 3000, "weights": [0.5] * 9} for at in range(99)],
        "nothing": [],
    }
    assert json.loads(asyncio.run(bodies.body_of(value))) == value
