"""Who asks for what it makes itself is told so, and what is thrown away leaves no trace."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.caching import cached
from lamina.context import call, current
from lamina.errors import DeadlineExceeded
from lamina.once import Asking, Once
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.once import Making


async def test_what_asks_for_what_it_makes_itself_is_refused() -> None:
    once: Once[int] = Once()

    async def one(making: Making[int]) -> int:
        del making
        return (await once.make("other", other))[0]

    async def other(making: Making[int]) -> int:
        del making
        return (await once.make("one", one))[0]

    for _ in range(2):
        with pytest.raises(RecursionError, match="asks for that answer"):
            await once.make("one", one)
    assert len(once) == 0


async def test_a_cached_function_that_calls_itself_with_the_same_arguments_is_refused() -> None:
    @cached()
    async def endless(number: int) -> int:
        return await endless(number if number == 0 else number - 1)

    with pytest.raises(RecursionError):
        await endless(2)
    with pytest.raises(RecursionError):
        await endless(0)


async def test_a_factory_that_asks_for_its_own_key_is_refused() -> None:
    store = Stack().over(MemoryKeyValue())

    async def factory() -> bytes:
        return await store.get_or_set("a", factory)

    with pytest.raises(RecursionError):
        await store.get_or_set("a", factory)
    assert await store.get("a") is None


async def test_who_ran_out_of_time_while_leading_may_ask_again_at_once() -> None:
    once: Once[int] = Once()
    left = asyncio.Event()

    async def late(making: Making[int]) -> int:
        del making
        await left.wait()
        msg = "no time"
        raise DeadlineExceeded(msg)

    async def early(making: Making[int]) -> int:
        del making
        await asyncio.sleep(1)
        return 1

    async def twice() -> tuple[int, bool]:
        with pytest.raises(DeadlineExceeded):
            await once.make("a", late)
        return await once.make("a", early)

    first = asyncio.ensure_future(twice())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(once.make("a", early))
    await asyncio.sleep(0)
    left.set()

    assert await first == (1, True)
    assert await second == (1, False)


async def test_a_fill_that_is_thrown_away_leaves_the_context_of_others_alone() -> None:
    async def fill() -> None:
        with Asking():
            await asyncio.get_running_loop().create_future()

    left = fill()
    Context().run(left.send, None)

    async with call() as mine:
        left.close()
        assert current.get() is mine
