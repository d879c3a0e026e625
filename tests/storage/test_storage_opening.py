from __future__ import annotations

import asyncio
import logging

import pytest
from storage_service import Service, refused, storage_over

from lamina.errors import StorageError, Unavailable
from lamina.layers.breaker import Breaker


async def test_one_that_is_down_does_not_keep_the_others_from_working(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service(refused())

    with caplog.at_level(logging.WARNING, "lamina.storage"):
        async with storage_over(service) as storage:
            assert set(storage.down) == {"keyvalue"}
            assert await storage.get_document("x") is None
            with pytest.raises(Unavailable, match="refused; tried again in 5 s") as e:
                await storage.keyvalue.get("a")
            assert e.value.sent == "no"
            assert e.value.retry_after == pytest.approx(5.0)

    assert [r.getMessage() for r in caplog.records] == [
        "keyvalue (connects) is down: connection refused"
    ]


async def test_it_is_opened_again_when_it_can_be() -> None:
    service = Service(refused(), refused())
    async with storage_over(service) as storage:
        for moment in (1.0, 4.9, 5.1, 9.0):
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            with pytest.raises(Unavailable):
                await storage.keyvalue.get("a")
        await asyncio.sleep(2.0)

        assert await storage.keyvalue.get("a") == b"answer"

        assert storage.down == {}
        assert service.attempts == pytest.approx([0.0, 5.1, 11.0])
    assert service.closed == 3  # one for each that was made and tried


async def test_many_callers_make_one_attempt() -> None:
    service = Service(refused(), 1.0)
    async with storage_over(service) as storage:
        await asyncio.sleep(6.0)

        answers = await asyncio.gather(*(storage.keyvalue.get("a") for _ in range(20)))

        assert answers == [b"answer"] * 20
        assert len(service.attempts) == 2


async def test_a_caller_that_gives_up_leaves_the_attempt_to_the_others() -> None:
    service = Service(refused(), 3.0)
    async with storage_over(service) as storage:
        await asyncio.sleep(6.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await storage.keyvalue.get("a")

        assert await storage.keyvalue.get("a") == b"answer"
        assert len(service.attempts) == 2


async def test_the_breaker_sees_what_is_down() -> None:
    service = Service(*[refused()] * 50)
    async with storage_over(service, layers=[Breaker(min_calls=3)]) as storage:
        for _ in range(4):
            with pytest.raises(StorageError):
                await storage.keyvalue.get("a")

        breaker = (await storage.status())["keyvalue"]["breaker"]
        assert breaker is not None
        assert breaker["state"] == "open"


async def test_one_that_hangs_is_down_after_the_deadline() -> None:
    service = Service(60.0)
    async with storage_over(service, connect_timeout=3.0) as storage:
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)
        with pytest.raises(Unavailable):
            await storage.keyvalue.get("a")
        assert set(storage.down) == {"keyvalue"}
