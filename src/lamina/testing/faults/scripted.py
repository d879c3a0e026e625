"""A server that plays steps, one for each request, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from lamina.testing.faults.listener import Listener
from lamina.testing.faults.steps import (
    Answer,
    Close,
    Delay,
    Garbage,
    Hang,
    Reset,
    Step,
    Truncate,
    chosen,
)

if TYPE_CHECKING:
    from lamina.testing.faults.connection import Connection
    from lamina.testing.faults.script import Ending

A = TypeVar("A")


class ScriptedServer(Listener, Generic[A]):
    """Plays *steps* in the order in which requests come, then *default* for all the rest.

    Attributes:
        requests: Everything that was asked, in order, whatever became of it.
        default: The step for requests that no other step is left for; may be changed at any time.
    """

    plain: Step
    """What follows a delay, or is cut, where the default does not say it."""

    def __init__(self, *steps: Step, default: Step | None = None) -> None:
        super().__init__()
        self.requests: list[A] = []
        self.default: Step = self.plain if default is None else default
        self._steps = deque[Step](steps)

    @property
    def count(self) -> int:
        """How many requests came, whole."""
        return len(self.requests)

    def then(self, *steps: Step) -> None:
        """Play *steps* after those that are left."""
        self._steps.extend(steps)

    def forget(self) -> None:
        """Forget the requests so far and the steps that are left."""
        self.requests.clear()
        self._steps.clear()

    @abstractmethod
    def encoded(self, step: bytes | Answer, asked: A) -> tuple[bytes, bytes]:
        """Give what is sent as answer to *asked*: the head, and the body that can be cut."""

    async def played(self, asked: A, client: Connection) -> bool:
        """Do the next step for *asked*; tell whether the connection goes on."""
        self.requests.append(asked)
        later = iter((self.default, self.plain))
        step = self._steps.popleft() if self._steps else next(later)
        while True:
            match chosen(step, asked):
                case Delay() as act:
                    await asyncio.sleep(act.seconds)
                    step = next(later) if act.then is None else act.then
                case bytes() | Answer() as act:
                    await client.send(b"".join(self.encoded(act, asked)))
                    return True
                case Truncate() as act:
                    whole = next(later) if act.then is None else act.then
                    head, body = self.encoded(_answer(whole, asked), asked)
                    await client.send(head + body[: act.after])
                    return await _ended(act.ends, client)
                case Garbage() as act:
                    await client.send(act.data)
                    return False
                case Hang():
                    return await _ended("hang", client)
                case Reset():
                    return await _ended("reset", client)
                case Close():
                    return False


def _answer(step: Step, asked: object) -> bytes | Answer:
    act = chosen(step, asked)
    if isinstance(act, bytes | Answer):
        return act
    msg = f"only an answer can be truncated, not {act!r}"
    raise TypeError(msg)


async def _ended(how: Ending, client: Connection) -> bool:
    if how == "hang":
        await client.drained()
    elif how == "reset":
        client.reset()
    return False
