"""The suites find the same over a socket as in memory, in real time and on the virtual loop."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import Phase, settings

from lamina.backends.memory import MemoryKeyValue
from lamina.capabilities import Capabilities
from lamina.domains.keyvalue import KeyValueBackend
from lamina.errors import StorageError, Unavailable
from lamina.operation import Handler, Operation
from lamina.testing import FaultServer, KeyValueContract
from lamina.testing.faults import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator


R = TypeVar("R")


class Remote:
    """Stores in memory, behind HTTP: each under a path of its own, with a clock of its own."""

    def __init__(self) -> None:
        self.stores: dict[str, MemoryKeyValue] = defaultdict(MemoryKeyValue)
        self.shifts: dict[str, float] = defaultdict(float)

    def answer(self, asked: Request) -> Answer:
        op = pickle.loads(asked.body)
        store, shift = self.stores[asked.path], self.shifts[asked.path]
        store.runtime.wall = lambda: time.time() + shift
        step = store.handler(type(op))(op)
        try:
            step.send(None)
        except StopIteration as done:
            return Answer(200, pickle.dumps(done.value))
        except StorageError as error:
            return Answer(409, pickle.dumps(error))
        step.close()
        return Answer(500)


class RemoteKeyValue(KeyValueBackend):
    """A backend that connects for each call."""

    name = "remote"

    def __init__(self, host: str, port: int, path: str) -> None:
        self._place = (host, port)
        self._path = path

    def capabilities(self) -> Capabilities:
        return MemoryKeyValue().capabilities()

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        return self._send

    async def _send(self, op: Operation[R]) -> Any:
        data = pickle.dumps(op)
        head = f"POST {self._path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(*self._place)
        try:
            writer.write(head.encode() + data)
            told, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)  # the transport ends
        if told.startswith(b"HTTP/1.1 200"):
            return pickle.loads(body)
        if told.startswith(b"HTTP/1.1 409"):
            raise pickle.loads(body)
        msg = "the server failed"
        raise Unavailable(msg)


class OverHttp(KeyValueContract):
    examples = 4
    sweep_points = 6

    @pytest.fixture(autouse=True)
    def _remote(self) -> Iterator[None]:
        self.remote = Remote()
        self.made = 0
        with FaultServer(default=self.remote.answer) as self.server:
            yield

    def backend(self) -> RemoteKeyValue:
        self.made += 1
        return RemoteKeyValue(self.server.host, self.server.port, f"/{self.made}")

    async def elapse(self, seconds: float) -> None:
        self.remote.shifts[f"/{self.made}"] += seconds


@pytest.mark.server
class TestRemoteKeyValue(OverHttp):
    """All of it, in real time."""


def test_a_sequence_over_sockets_tells_a_store_that_forgets() -> None:
    class Forgets(Remote):
        def answer(self, asked: Request) -> Answer:
            self.stores.clear()
            return super().answer(asked)

    settings.register_profile("quick", phases=[Phase.generate])
    settings.load_profile("quick")
    contract = OverHttp()
    contract.remote, contract.made = Forgets(), 0
    try:
        with (
            FaultServer(default=contract.remote.answer) as contract.server,
            pytest.raises((AssertionError, ExceptionGroup)),
        ):
            contract.test_answers_as_a_dict_would()
    finally:
        settings.load_profile("default")
