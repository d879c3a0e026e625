"""What holds for the backends of every domain: their life, and what they refuse."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest

from lamina.domains.store import Check, Facade
from lamina.errors import Closed, Unsupported, WrongLoop
from lamina.stack import Stack
from lamina.testing.clock import run
from lamina.testing.samples import SAMPLES
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from lamina.backend import Backend
    from lamina.operation import Operation
    from lamina.testing.sweep import Scenario

F = TypeVar("F", bound=Facade)


class BackendContract(Generic[F]):
    """Subclass one per domain and say how to make a backend."""

    domain: str
    racers = 50
    """How many callers race in the tests of atomic operations."""
    examples = 40
    """How many sequences Hypothesis tries in each test that draws them, of up to 25 steps."""
    sweep_points: int | None = None
    """At how many places, at most, a scenario is cancelled; ``None`` is at all of them."""
    timeout_real = 60.0
    """Seconds of real time that one run of a drawn or cancelled scenario may take."""

    @abstractmethod
    def backend(self) -> Backend[F]:
        """Return a new backend with an empty store of its own, each time."""

    async def elapse(self, seconds: float) -> None:
        """Let *seconds* pass for the backend; overridden where its clock is not the loop's."""
        await asyncio.sleep(seconds)

    def store(self) -> F:
        """Return a new store with no layers."""
        return Stack().over(self.backend())

    @asynccontextmanager
    async def opened(self, *needs: type[Operation[Any]]) -> AsyncGenerator[F, None]:
        """Give an open store; skip the test if it does not serve what the test *needs*."""
        store = self.store()
        missing = [op.__name__ for op in needs if op not in store.bound.capabilities]
        if missing:
            pytest.skip(f"{store.bound.backend} does not serve {', '.join(missing)}")
        async with store:
            yield store

    def cancelled_anywhere(self, scenario: Scenario) -> None:
        """Cancel *scenario* at each place, as far as *sweep_points* allows."""
        sweep(scenario, most=self.sweep_points)

    @staticmethod
    def listed(
        store: Facade, op: type[Operation[Any]], found: Sequence[str], wanted: Iterable[str]
    ) -> None:
        """Check a listing: complete, and unique and ordered where *op* is declared to be."""
        assert set(found) == set(wanted)
        if store.bound.capabilities.offers(op, "unique"):
            assert len(found) == len(set(found))
        if store.bound.capabilities.offers(op, "ordered"):
            assert list(found) == sorted(found)

    async def test_refuses_what_it_does_not_serve(self) -> None:
        async with self.opened() as store:
            for op in SAMPLES[self.domain]:
                if type(op) not in store.bound.capabilities:
                    with pytest.raises(Unsupported, match=type(op).__name__):
                        await store.bound.send(op)

    async def test_refuses_what_belongs_to_another_domain(self) -> None:
        async with self.opened() as store:
            for domain, ops in SAMPLES.items():
                for op in ops if domain != self.domain else ():
                    if not isinstance(op, Check):
                        with pytest.raises(Unsupported):
                            await store.bound.send(op)

    async def test_checks_its_health_by_a_round_trip(self) -> None:
        async with self.opened() as store:
            assert Check in store.bound.capabilities
            await store.check()
            await store.scoped("acme").check()

    async def test_refuses_calls_once_closed(self) -> None:
        store = self.store()
        async with store:
            await store.check()
        with pytest.raises(Closed):
            await store.check()
        with pytest.raises(Closed):
            await store.open()
        await store.close()

    async def test_may_be_closed_unopened(self) -> None:
        await self.store().close()

    async def test_must_be_opened_if_it_says_so(self) -> None:
        backend = self.backend()
        store: Facade = Stack().over(backend)
        if backend.needs_open:
            with pytest.raises(Closed, match="not opened"):
                await store.check()
            await store.open()
        await store.check()
        await store.close()

    async def test_answers_calls_in_flight_before_it_closes(self) -> None:
        async with self.opened() as store:
            calls = [asyncio.ensure_future(store.check()) for _ in range(5)]
            await asyncio.sleep(0)
        for call in calls:
            await call

    def test_belongs_to_one_event_loop(self) -> None:
        store = self.store()

        async def use() -> None:
            await store.open()
            await store.check()

        async def use_elsewhere() -> None:
            with pytest.raises(WrongLoop):
                await store.check()

        async def close() -> None:
            first = self.store()
            async with first:
                await first.check()

        run(self._on_two_loops(store, use, use_elsewhere))
        run(close())

    @staticmethod
    async def _on_two_loops(store: Facade, first: Any, second: Any) -> None:
        await first()
        failures: list[BaseException] = []

        def elsewhere() -> None:
            try:
                run(second())
            except BaseException as error:  # told by the test itself
                failures.append(error)

        await asyncio.to_thread(elsewhere)
        await store.close()
        assert not failures, failures


def near(found: float | None, wanted: float, within: float) -> bool:
    """Tell whether *found* is *wanted*, give or take *within*."""
    return found is not None and (found == wanted or abs(found - wanted) <= within)
