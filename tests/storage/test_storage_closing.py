from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from storage_faults import Faults, make
from storage_service import ClosingMedia, Service, refused, storage_over

from lamina.errors import AuthError, Closed, StackError, StorageError, Unavailable
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("error", "required"),
    [(refused, ["keyvalue"]), (lambda: AuthError("wrong password"), [])],
    ids=["required and down", "bad credentials"],
)
async def test_what_cannot_be_lived_with_closes_everything(
    error: Callable[[], StorageError], required: list[str]
) -> None:
    service, media = Service(error()), ClosingMedia()
    storage = storage_over(service, media, required=required)

    with pytest.raises(type(error())) as failed:
        async with storage:
            raise AssertionError

    assert "while opening keyvalue" in failed.value.__notes__
    assert (service.opened, service.closed, media.closed) == (0, 1, 1)
    with pytest.raises(Closed):
        await storage.get_document("x")


async def test_an_error_that_is_no_storage_error_closes_everything_too() -> None:
    service, media = Service(), ClosingMedia(open_error=RuntimeError("a bug"))

    with pytest.raises(RuntimeError, match="a bug"):
        async with storage_over(service, media):
            raise AssertionError

    assert (service.closed, media.closed) == (1, 1)


async def test_required_and_hanging_fails_at_the_deadline() -> None:
    storage = storage_over(Service(60.0), required=["keyvalue"], connect_timeout=2.0)

    with pytest.raises(Unavailable, match="not connected within 2 s"):
        await storage.open()

    assert asyncio.get_running_loop().time() == pytest.approx(2.0)


async def test_all_are_connected_at_once() -> None:
    class Slow(ClosingMedia):
        async def open(self) -> None:
            await asyncio.sleep(2.0)

    async with storage_over(Service(2.0), Slow()):
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)


async def test_cancelled_while_opening_it_closes_everything() -> None:
    service, media = Service(60.0), ClosingMedia()
    task = asyncio.create_task(storage_over(service, media).open())
    await asyncio.sleep(1.0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (service.opened, service.closed, media.closed) == (0, 1, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_closes_the_rest_when_one_fails() -> None:
    class Bad(ClosingMedia):
        async def close(self) -> None:
            raise OSError(5, "cannot close")

    service = Service()
    storage = await storage_over(service, Bad()).open()

    with pytest.raises(OSError, match="cannot close"):
        await storage.close()

    assert service.closed == 1
    with pytest.raises(Closed):
        await storage.keyvalue.get("a")


async def test_unopened_it_says_so() -> None:
    with pytest.raises(Closed, match="not opened"):
        await storage_over(Service()).keyvalue.get("a")


async def test_closed_it_cannot_be_opened() -> None:
    storage = storage_over(Service())
    await storage.close()

    with pytest.raises(Closed):
        await storage.open()


async def test_in_memory_needs_no_opening_and_no_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "LAMINA_HOME"):
        monkeypatch.delenv(name, raising=False)
    storage = UnifiedStorage.in_memory()

    assert await storage.append_message("1", {"role": "user", "content": "a"}) == 1
    assert repr(storage) == (
        "UnifiedStorage(keyvalue=memory, vectors=memory, documents=memory, media=memory)"
    )


def test_plans_all_four() -> None:
    assert set(UnifiedStorage.in_memory().plan()) == {"keyvalue", "vectors", "documents", "media"}


def test_required_names_domains_only() -> None:
    with pytest.raises(StackError, match="required names domains"):
        storage_over(Service(), required=["redis"])


async def test_a_second_closing_waits_for_the_first() -> None:
    class Slow(ClosingMedia):
        async def close(self) -> None:
            await asyncio.sleep(8.0)  # longer than the grace of tasks
            await super().close()

    media = Slow()
    storage = await storage_over(Service(), media).open()
    first = asyncio.ensure_future(storage.close())
    await asyncio.sleep(1.0)

    await storage.close()

    assert asyncio.get_running_loop().time() == pytest.approx(8.0)
    assert media.closed == 1
    await first


async def test_closing_that_is_cancelled_closes_before_it_ends() -> None:
    class Slow(ClosingMedia):
        async def close(self) -> None:
            try:
                await asyncio.sleep(8.0)
            finally:
                await super().close()

    media = Slow()
    storage = await storage_over(Service(), media).open()
    first = asyncio.ensure_future(storage.close())
    await asyncio.sleep(1.0)

    first.cancel()
    await asyncio.wait([first])

    assert (first.cancelled(), media.closed) == (True, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_asked_of_all_and_cut_short_by_closing_says_closed() -> None:
    faults = Faults()
    storage = make(faults)
    faults.hang |= {"Nearest", "Check"}
    asked = [
        asyncio.ensure_future(storage.search_context("cats", "1")),
        asyncio.ensure_future(storage.health_check(within=60.0)),
    ]
    await asyncio.sleep(1.0)

    await storage.close()

    with pytest.raises(Closed, match="closed meanwhile"):
        await asked[0]
    assert not any((await asked[1]).values())
    assert [task.cancelling() for task in asked] == [0, 0]


async def test_opening_that_is_cut_short_by_closing_says_closed() -> None:
    storage = storage_over(Service(60.0), connect_timeout=60.0)
    opening = asyncio.ensure_future(storage.open())
    await asyncio.sleep(1.0)

    await storage.close()

    with pytest.raises(Closed):
        await opening
    assert opening.cancelling() == 0
