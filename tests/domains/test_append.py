from __future__ import annotations

import json

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Append
from lamina.domains.lists import appended
from lamina.errors import Invalid
from lamina.stack import Stack
from lamina.values import Json


async def test_extend_appends_all_items_in_one_operation() -> None:
    store = Stack().over(MemoryKeyValue())

    assert await store.append("a", 1) == 1
    assert await store.extend("a", [{"b": 2}, [3]], ttl=60.0) == 3

    assert json.loads(await store.get("a") or b"") == [1, {"b": 2}, [3]]
    assert await store.ttl("a") == pytest.approx(60.0)


async def test_extend_refuses_to_append_nothing_and_what_is_not_json() -> None:
    store = Stack().over(MemoryKeyValue())

    with pytest.raises(Invalid, match="at least one item"):
        await store.extend("a", [])
    with pytest.raises(Invalid, match="not JSON"):
        await store.extend("a", [1, object()])

    assert await store.get("a") is None


def test_keeps_the_last_of_old_and_new() -> None:
    new = [Json.of(3), Json.of(4)]

    assert appended(b"[1,2]", new, 3) == (b"[2,3,4]", 3)
    assert appended(None, new, 1) == (b"[4]", 1)


def test_items_are_content_and_never_shown() -> None:
    assert repr(Append("a", (Json.of("secret"),))).startswith("Append(key='a', items=<1 items>")
