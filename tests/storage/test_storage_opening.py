from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backend import serves
from lamina.backends.memory import MemoryDocuments, MemoryMedia, MemoryVectors
from lamina.domains.keyvalue import Get, KeyValueBackend, Set
from lamina.domains.media import MediaBackend
from lamina.domains.store import Check
from lamina.errors import AuthError, Closed, StackError, StorageError, Unavailable
from lamina.layers.breaker import Breaker
from lamina.stack import Stack
from lamina.storage import Reopening, UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import Callable


class Service:
    """A server that backends connect to: each attempt does the next thing of *script*."""

    def __init__(self, *script: StorageError | float | None) -> None:
        self.script = list(script)
        self.opened = 0
        self.closed = 0
        self.attempts: list[float] = []


class Connects(KeyValueBackend):
    name = "connects"
    needs_open = True

    def __init__(self, service: Service) -> None:
        self.service = service

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return b"answer"

    @serves(Set)
    async def set(self, op: Set) -> None: ...

    @serves(Check)
    async def check(self, op: Check) -> None: ...

    async def open(self) -> None:
        self.service.attempts.append(asyncio.get_running_loop().time())
        step = self.service.script.pop(0) if self.service.script else None
        if isinstance(step, StorageError):
            raise step
        if step:
            await asyncio.sleep(step)
        self.service.opened += 1

    async def close(self) -> None:
        self.service.closed += 1


class ClosingMedia(MediaBackend):
    name = "closing"

    def __init__(self, *, open_error: Exception | None = None) -> None:
        self.closed = 0
        self.open_error = open_error

    async def open(self) -> None:
        if self.open_error:
            raise self.open_error

    async def close(self) -> None:
        self.closed += 1


def storage_over(service: Service, media: Any = None, **options: Any) -> UnifiedStorage:
    patience = options.get("connect_timeout", 10.0)
    reopening = Reopening(lambda: Connects(service), patience=patience)
    plain = Stack()
    return UnifiedStorage(
        keyvalue=Stack(*options.pop("layers", ())).over(reopening),
        vectors=plain.over(MemoryVectors()),
        documents=plain.over(MemoryDocuments()),
        media=plain.over(media or MemoryMedia()),
        reopens={"keyvalue": reopening},
        **options,
    )


def refused() -> Unavailable:
    return Unavailable("connection refused")


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
