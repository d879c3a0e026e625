"""Clients that block get threads: bounded, under a deadline, and never in the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

import lamina
from lamina.blocking import Blocking
from lamina.errors import Closed, DeadlineExceeded, StackError, TimedOut, Unavailable

pytestmark = pytest.mark.realtime


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_gives_what_the_call_gives_and_raises_what_it_raises() -> None:
    blocking = Blocking("client")

    assert await blocking.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await blocking.run(divmod, 7, 0)
    await blocking.close()


async def test_runs_no_more_calls_at_once_than_it_has_threads() -> None:
    blocking = Blocking("client", threads=2)
    gate, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(5)
        with lock:
            running -= 1

    calls = [asyncio.ensure_future(blocking.run(work)) for _ in range(5)]
    await until(lambda: running == 2)
    gate.set()
    await asyncio.gather(*calls)

    assert most == 2
    await blocking.close()


async def test_a_call_that_hangs_ends_at_the_deadline_and_keeps_its_thread() -> None:
    blocking = Blocking("client", threads=1, timeout=0.05)
    gate = threading.Event()

    with pytest.raises(TimedOut, match=r"within 0\.05 s"):
        await blocking.run(gate.wait, 5)
    with pytest.raises(Unavailable, match="all 1 threads of client are busy") as caught:
        await blocking.run(int)
    assert caught.value.sent == "no"

    gate.set()
    await until(lambda: not blocking._free.locked())
    assert await blocking.run(int) == 0
    await blocking.close()


async def test_c3_the_callers_deadline_counts_and_is_no_failure_of_the_client() -> None:
    blocking = Blocking("client", threads=1)
    gate = threading.Event()

    async with lamina.call(deadline=0.05):
        with pytest.raises(DeadlineExceeded) as running:
            await blocking.run(gate.wait, 5)
    async with lamina.call(deadline=0.05):
        with pytest.raises(DeadlineExceeded) as waiting:
            await blocking.run(gate.wait, 5)

    assert (running.value.sent, waiting.value.sent) == ("maybe", "no")
    gate.set()
    await blocking.close()


async def test_a_cancelled_caller_leaves_at_once_and_its_thread_is_used_again() -> None:
    blocking = Blocking("client", threads=1)
    gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(5)
        raise ValueError

    call = asyncio.ensure_future(blocking.run(work))
    await until(begun.is_set)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()

    assert await blocking.run(int) == 0
    await blocking.close()


async def test_refuses_calls_once_closed() -> None:
    blocking = Blocking("client", threads=1)
    gate = threading.Event()
    calls = [asyncio.ensure_future(blocking.run(gate.wait, 5)) for _ in range(2)]
    await until(blocking._free.locked)
    closing = asyncio.ensure_future(blocking.close())
    await asyncio.sleep(0)
    gate.set()
    await closing

    assert await calls[0] is True
    with pytest.raises(Closed):
        await calls[1]
    with pytest.raises(Closed):
        await blocking.run(int)


def test_a_call_that_never_ends_does_not_keep_the_process() -> None:
    code = (
        "import asyncio, threading\n"
        "from lamina.blocking import Blocking\n"
        "async def main():\n"
        "    try: await Blocking('client', timeout=0.05).run(threading.Event().wait)\n"
        "    except TimeoutError: print('left')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=20, text=True, check=False
    )

    assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr


@pytest.mark.parametrize(("threads", "timeout"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_refuses_numbers_that_make_no_sense(threads: int, timeout: float) -> None:
    with pytest.raises(StackError):
        Blocking("client", threads=threads, timeout=timeout)


async def test_a_thread_that_cannot_start_leaves_its_place_free() -> None:
    blocking = Blocking("client", threads=1, timeout=5)
    usual = threading.stack_size(1 << 46)  # more than there is
    try:
        for _ in range(2):
            with pytest.raises(Unavailable, match="no thread") as caught:
                await blocking.run(int)
            assert caught.value.sent == "no"
    finally:
        threading.stack_size(usual)
    assert await blocking.run(int, "7") == 7
    await blocking.close()


async def test_an_iterator_that_ends_is_told_at_once() -> None:
    blocking = Blocking("client", threads=1, timeout=5)
    nothing: list[int] = []
    with pytest.raises(RuntimeError, match="StopIteration"):
        await blocking.run(next, iter(nothing))
    await blocking.close()
