"""A call that is cancelled, wherever that is, gives its place in the pool back."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from lamina.backends.http import pool
from lamina.testing.faults import Answer, Delay, FaultServer, Step

pytestmark = pytest.mark.server

_STEPS = 16


async def cancelled(client: httpx.AsyncClient, url: str, steps: int) -> None:
    """Cancel a call after so many turns of the loop."""
    call = asyncio.ensure_future(client.get(url))
    for _ in range(steps):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])


@pytest.mark.parametrize("is_warm", [False, True])
async def test_the_next_call_has_a_place(is_warm: bool) -> None:
    async with FaultServer(default=Answer(200, "x" * 9)) as server:
        for steps in range(_STEPS):
            async with pool(timeout=2, connect_timeout=2, connections=1) as client:
                if is_warm:
                    await client.get(server.url)
                await cancelled(client, server.url, steps)
                assert (await client.get(server.url)).status_code == 200, steps


async def test_a_call_that_waits_for_a_place_gets_it() -> None:
    async with FaultServer(default=Answer(200, "x")) as server:
        for steps in range(_STEPS):
            async with pool(timeout=2, connect_timeout=2, connections=1) as client:
                first = asyncio.ensure_future(cancelled(client, server.url, steps))
                others = [asyncio.ensure_future(client.get(server.url)) for _ in range(3)]
                await first
                told = await asyncio.gather(*others)
                assert [one.status_code for one in told] == [200] * 3, steps


async def test_nothing_is_lost_among_many() -> None:
    rng = random.Random(1)
    late = Delay(0.002, Answer(200, "y"))

    def step(_: object) -> Step:
        return late if rng.random() < 0.5 else Answer(200, "x")

    async with (
        FaultServer(default=step) as server,
        pool(timeout=5, connect_timeout=5, connections=4) as client,
    ):
        for _ in range(15):
            calls = [
                asyncio.ensure_future(cancelled(client, server.url, rng.randrange(60)))
                if rng.random() < 0.6
                else asyncio.ensure_future(client.get(server.url))
                for _ in range(12)
            ]
            for one in await asyncio.gather(*calls):
                assert one is None or one.status_code == 200
        told = await asyncio.gather(*(client.get(server.url) for _ in range(8)))
        assert [one.status_code for one in told] == [200] * 8
