"""What HTTP tells by itself becomes one error each, and a pool of ours waits, bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import httpx
import pytest

from lamina.backends.http import HTTP, answered, failed, pool
from lamina.errors import StorageError
from lamina.testing.faults import Answer, FaultServer, Garbage, Hang, Reset, Step, Truncate

pytestmark = pytest.mark.server

Scenario = Callable[[AsyncExitStack], Awaitable[StorageError]]


def small(**more: Any) -> httpx.AsyncClient:
    return pool(**{"timeout": 0.3, "connect_timeout": 0.3, "connections": 1, **more})


async def asked(client: httpx.AsyncClient, url: str) -> StorageError:
    """Return what the client's failure becomes, or the answer's status."""
    try:
        answer = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return failed(error)
    return answered(answer.status_code, answer.headers, 0.0)


def stepped(step: Step) -> Scenario:
    async def scenario(stack: AsyncExitStack) -> StorageError:
        client = await stack.enter_async_context(small())
        server = await stack.enter_async_context(FaultServer(step))
        error = await asked(client, server.url)
        assert server.count == 1
        return error

    return scenario


def at(url: str) -> Scenario:
    async def scenario(stack: AsyncExitStack) -> StorageError:
        return await asked(await stack.enter_async_context(small()), url)

    return scenario


async def refused(stack: AsyncExitStack) -> StorageError:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return await at(f"http://127.0.0.1:{port}")(stack)


async def unaccepted(stack: AsyncExitStack) -> StorageError:
    """Connect to a listener whose queue is full: the kernel answers no more."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    for _ in range(4):
        other = stack.enter_context(socket.socket())
        other.setblocking(False)
        other.connect_ex(address)
    return await at(f"http://127.0.0.1:{address[1]}")(stack)


async def busy(stack: AsyncExitStack) -> StorageError:
    client = await stack.enter_async_context(small())
    server = await stack.enter_async_context(FaultServer(default=Hang()))
    first = asyncio.ensure_future(client.get(server.url, timeout=5))
    async with asyncio.timeout(5):
        while not server.count:
            await asyncio.sleep(0.005)
    error = await asked(client, server.url)
    first.cancel()
    await asyncio.wait({first})
    assert server.count == 1
    return error


SCENARIOS: Final[dict[str, Scenario]] = {
    "not connected": refused,
    "connect timeout": unaccepted,
    "pool timeout": busy,
    "no answer": stepped(Hang()),
    "cut off": stepped(Reset()),
    "no http": stepped(Answer(200, b"no gzip", {"content-encoding": "gzip"})),
    "bad url": at("gopher://127.0.0.1"),
    "unauthorized": stepped(Answer(401)),
    "forbidden": stepped(Answer(403)),
    "conflict": stepped(Answer(409)),
    "throttled": stepped(Answer(429, headers={"retry-after": "7"})),
    "unavailable": stepped(Answer(503)),
    "failed": stepped(Answer(500)),
    "refused": stepped(Answer(400)),
    "unexpected": stepped(Answer(302)),
}
NO_STATUS: Final = "no json"
"""Decided by what reads the answer, and tested with each backend."""


@pytest.mark.parametrize("name", SCENARIOS)
async def test_each_failure_becomes_the_error_of_its_row(name: str) -> None:
    async with AsyncExitStack() as stack:
        error = await SCENARIOS[name](stack)

    row = HTTP[name]
    assert type(error) is row.becomes
    assert row.message in str(error)
    assert error.sent == (row.sent or row.becomes.default_sent)


def test_every_row_is_produced() -> None:
    assert {*SCENARIOS, NO_STATUS} == {*HTTP}


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (Garbage(), "cut off"),
        (Truncate(3, Answer(200, b"whole answer")), "cut off"),
        (Truncate(3, Answer(200, b"whole answer"), ends="reset"), "cut off"),
        (Answer(502, "<html>Bad Gateway</html>"), "unavailable"),
        (Answer(504), "unavailable"),
        (Answer(408), "unavailable"),
        (Answer(418), "refused"),
        (Answer(599), "failed"),
    ],
)
async def test_what_is_alike_becomes_the_same(step: Step, name: str) -> None:
    async with AsyncExitStack() as stack:
        error = await stepped(step)(stack)

    assert type(error) is HTTP[name].becomes
    assert HTTP[name].message in str(error)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, 999_999_999_999.0),
        ("\u0667", None),
        ("Thu, 99 Jan 1970 00:01:00 GMT", None),
    ],
)
def test_reads_how_long_to_wait(told: str, seconds: float | None) -> None:
    assert answered(429, {"retry-after": told}, 10.0).retry_after == seconds


async def test_a_pool_waits_for_a_free_connection() -> None:
    async with small() as client, FaultServer(default=Answer(200, b"ok")) as server:
        answers = await asyncio.gather(*(client.get(server.url) for _ in range(5)))

        assert [answer.content for answer in answers] == [b"ok"] * 5
        assert server.count == 5
