"""What a refusal costs, and what becomes of an outage and of faults."""

from __future__ import annotations

import asyncio

from benchmarks.outage import PATIENCE, STACKS, simulate
from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import StorageError, Unavailable
from lamina.layer import Layer
from lamina.layers.breaker import Breaker
from lamina.layers.chaos import Chaos
from lamina.layers.limit import Limit
from lamina.layers.metrics import Metrics
from lamina.layers.rate import Quota, Throttle
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.clock import run

REFUSAL = 10.0
"""Most microseconds that a refusal may cost."""
CALLS = 10_000


class Down(KeyValueBackend):
    """Answers ``hold`` never; refuses each other connection, and counts."""

    name = "down"

    def __init__(self) -> None:
        self.arrived = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.arrived += 1
        if op.key == "hold":
            await asyncio.get_running_loop().create_future()
        msg = "down"
        raise Unavailable(msg)


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Time refusals; simulate the rest on virtual time, in a thread with a loop of its own."""
    await _refusals(report, progress, quick=quick)
    await asyncio.to_thread(_outages, report, progress)
    await asyncio.to_thread(_faults, report, progress, 10_000 if quick else 100_000)


async def _refusals(report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("refusals")
    stacks: dict[str, list[Layer]] = {
        "limit full: Limit": [Limit(1)],
        "out of tokens: Throttle": [Throttle(1.0, per=3600.0)],
        "out of tokens: Quota": [Quota(1.0, per=3600.0)],
        "circuit open: Breaker": [_open()],
        "circuit open: Metrics + Retry + Breaker + Timeout": [
            Metrics(),
            Retry(attempts=5),
            _open(),
            Timeout(5.0),
        ],
    }
    stores = {name: Stack(*layers).over(Down()) for name, layers in stacks.items()}
    for store in stores.values():
        await _refused(store)  # by the backend: the circuit opens, the only token is spent
    held = asyncio.ensure_future(stores["limit full: Limit"].get("hold"))
    await asyncio.sleep(0)
    subjects: dict[str, Subject] = {
        "an answer, without layers": _caller(Stack().over(MemoryKeyValue())),
        "an error of the backend, without layers": _caller(Stack().over(Down())),
        **{name: _caller(store) for name, store in stores.items()},
    }
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    held.cancel()
    for name, each in timed.items():
        target = REFUSAL if name in stacks else None
        report.add("storms, a refusal", name, each.quiet, "us", target=target)


def _open() -> Breaker:
    return Breaker(min_calls=1, break_for=3600.0, break_cap=3600.0)


def _caller(store: KeyValue) -> Subject:
    def call() -> object:
        return _refused(store)

    return call  # type: ignore[return-value]  # a coroutine, awaited by the timer


async def _refused(store: KeyValue) -> object:
    try:
        return await store.get("key")
    except StorageError as error:
        return type(error)


def _outages(report: Report, progress: Progress) -> None:
    progress.begin("an outage of 30 s, simulated")
    section = "storms, an outage of 30 s"
    for name, make in STACKS.items():
        storm = simulate(make())
        end = max(storm.calls) - PATIENCE
        bound = 1.1 if name == "ours" else None
        load = storm.load(storm.down, storm.up)
        report.add(section, f"{name}: requests a call in it", load, "x", target=bound)
        report.add(section, f"{name}: answered after it", 100 * storm.goodput(storm.up, end), "%")
        if storm.recovery is not None:
            report.add(section, f"{name}: recovered after", storm.recovery, "s")
    progress.begin("10,000 calls in a full outage, simulated")
    for name, layers in (
        ("Retry", [Retry(attempts=5)]),
        ("Retry + Breaker", [Retry(attempts=5), Breaker()]),
    ):
        arrived = run(_arrived(*layers))
        report.add(section, f"{name}: 10,000 calls in it", arrived, "x", target=1.1)


async def _arrived(*layers: Layer) -> float:
    down = Down()
    store = Stack(*layers).over(down)
    for _ in range(CALLS):
        await _refused(store)
    return down.arrived / CALLS


def _faults(report: Report, progress: Progress, reads: int) -> None:
    progress.begin("20 % of faults, simulated")
    succeeded, calls = run(_with_faults(reads))
    section = "storms, 20 % of faults, 5 attempts"
    report.add(section, "reads answered", 100 * succeeded / reads, "%", target=99.9, least=True)
    report.add(section, "calls a read", calls / reads, "calls", target=1.35)


async def _with_faults(reads: int) -> tuple[int, int]:
    store = Stack(Retry(attempts=5), Breaker(), Chaos(0.2, seed=20)).over(MemoryKeyValue())
    succeeded = 0
    for _ in range(reads):
        try:
            await store.get("key")
            succeeded += 1
        except StorageError:
            pass
    chaos = store.bound.layer(Chaos)
    assert chaos is not None
    return succeeded, chaos.status().calls
