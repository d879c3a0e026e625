from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from storage_faults import Faults, down, make

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.errors import Invalid
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.metrics import Metrics
from lamina.layers.retry import Retry
from lamina.stack import Stack
from lamina.storage import UnifiedStorage


def with_documents(faults: Faults) -> UnifiedStorage:
    plain = Stack()
    return UnifiedStorage(
        keyvalue=plain.over(MemoryKeyValue()),
        vectors=plain.over(MemoryVectors()),
        documents=Stack(faults).over(MemoryDocuments()),
        media=plain.over(MemoryMedia()),
    )


async def test_all_four_are_asked() -> None:
    faults = Faults()
    storage = make(faults)

    report = await storage.health_check()

    assert report == {"redis": True, "vector": True, "supabase": True, "s3": True}
    assert faults.sent == ["Check"] * 4


async def test_one_that_is_down_is_told() -> None:
    faults = Faults()
    storage = with_documents(faults)
    faults.before["Check"] = down()

    report = await storage.health_check()

    assert report == {"redis": True, "vector": True, "supabase": False, "s3": True}


async def test_one_that_hangs_is_unhealthy_after_its_own_deadline() -> None:
    faults = Faults()
    storage = with_documents(faults)
    faults.hang.add("Check")

    report = await storage.health_check(within=2.0)

    assert report == {"redis": True, "vector": True, "supabase": False, "s3": True}
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)


async def test_a_closed_storage_is_not_healthy() -> None:
    storage = make()
    await storage.close()

    assert not any((await storage.health_check()).values())


async def test_health_is_asked_each_time() -> None:
    faults = Faults()
    storage = make(faults, Cache(60.0))
    assert all((await storage.health_check()).values())
    faults.before["Check"] = down()

    assert not any((await storage.health_check()).values())


async def test_status_tells_what_the_layers_know() -> None:
    faults = Faults()
    layers = Metrics(), Cache(60.0), Retry(3), Breaker()
    storage = make(faults, *layers)
    await storage.append_message("1", {"role": "user", "content": "a"})
    for _ in range(3):
        await storage.get_conversation("1")

    status = await storage.status()

    one = status["keyvalue"]
    assert (one["backend"], one["healthy"], one["error"]) == ("memory", True, None)
    assert one["cache"] is not None
    assert (one["cache"]["hits"], one["cache"]["misses"]) == (2, 1)
    assert one["breaker"] is not None
    assert one["breaker"]["state"] == "closed"
    assert one["metrics"] is not None
    assert one["metrics"]["Get"]["calls"]["succeeded"] == 3
    assert set(status) == {"keyvalue", "vectors", "documents", "media"}
    json.dumps(status)


async def test_status_says_why_one_is_not_healthy() -> None:
    faults = Faults()
    storage = with_documents(faults)
    faults.before["Check"] = down()

    status = (await storage.status())["documents"]

    assert not status["healthy"]
    assert "Unavailable" in (status["error"] or "")
    assert status["breaker"] is status["cache"] is status["metrics"] is None


async def test_invalidating_forgets_cached_answers() -> None:
    faults = Faults()
    storage = make(faults, Cache(60.0))
    await storage.save_conversation("1", [])
    await storage.get_conversation("1")
    await storage.get_conversation("1")
    assert faults.sent.count("Get") + faults.sent.count("GetStamped") == 1

    assert await storage.invalidate_cache("documents-only*") == 0
    assert await storage.invalidate_cache() == 1

    await storage.get_conversation("1")
    assert faults.sent.count("Get") + faults.sent.count("GetStamped") == 2


async def test_without_caches_nothing_is_forgotten() -> None:
    assert await make().invalidate_cache() == 0


@pytest.mark.parametrize("wrong", ["x", None, 0, -1.0])
async def test_refuses_a_time_that_is_none(wrong: Any) -> None:
    with pytest.raises(Invalid, match="within must be"):
        await make().health_check(within=wrong)


async def test_refuses_a_pattern_that_is_no_text() -> None:
    wrong: Any = 5
    with pytest.raises(Invalid, match="pattern must be str"):
        await make().invalidate_cache(wrong)
