"""A cluster: each key is asked for at the node that holds its slot."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
)

from lamina.backends.redis.failures import FAILURES
from lamina.backends.redis.members import Members
from lamina.backends.redis.names import SLOTS, slot_of
from lamina.backends.redis.node import greet
from lamina.backends.redis.scans import Tour, look
from lamina.backends.redis.wire import ASKING, PING
from lamina.context import current
from lamina.errors import Closed, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.backends.redis.address import Host
    from lamina.backends.redis.slots import Slots
    from lamina.backends.redis.wire import Packed
    from lamina.runtime import Runtime

_REDIRECTIONS: Final = 5


@final
class Cluster:
    """Asks the *members*, several at once by tasks of the *runtime*.

    What a node refuses because another holds the key was not carried out, so it is sent on.
    After any other failure the next call asks anew who holds what.
    """

    def __init__(self, members: Members, runtime: Callable[[], Runtime]) -> None:
        self._members = members
        self._runtime = runtime

    async def open(self) -> None:
        """Ask who holds what, and who told that who it is."""
        slots = await self._members.known()
        await greet(self._members.teller, cluster=True)
        if not slots.hosts():
            self._members.doubt()
            raise FAILURES["uncovered"].error()

    async def close(self) -> None:
        """Close the connections to all nodes."""
        await self._members.close()

    async def check(self) -> None:
        """Make a round trip to each node, and see that together they hold all slots."""
        slots = await self._members.known()
        for host in slots.hosts():
            await self._at(host, PING)
        if any(slots.owner(slot) is None for slot in range(SLOTS)):
            self._members.doubt()
            raise FAILURES["uncovered"].error()

    async def ask(self, command: Packed, name: bytes = b"", values: int = 0) -> Any:
        """Return the answer to one command on the key *name*.

        Raises:
            StorageError: There is no answer.
            ResponseError: The node answered with an error.
        """
        del values  # those of several keys are asked one by one
        slot = slot_of(name)
        host = self._owner(slot, await self._members.known())
        for _ in range(_REDIRECTIONS):
            try:
                return await self._at(host, command)
            except MovedError as error:
                host = _target(error, host)
                self._members.move(slot, host)
            except AskError as error:
                return await self._asked(_target(error, host), command)
        raise FAILURES["moving"].error()

    async def ask_each(self, commands: Sequence[Packed], names: Sequence[bytes]) -> list[Any]:
        """Return the answer to each command, which may be an error; all nodes work at once."""
        slots = await self._members.known()
        places: defaultdict[Host | None, list[int]] = defaultdict(list)
        for place, name in enumerate(names):
            places[slots.owner(slot_of(name))].append(place)
        answers: list[Any] = [None] * len(commands)
        for own, told in await self._all(commands, places):
            for place, answer in zip(own, told, strict=True):
                answers[place] = answer
        for place, answer in enumerate(answers):
            if isinstance(answer, AskError):  # MOVED too
                self._members.doubt()
                answers[place] = await self._sent_on(commands[place], names[place])
        return answers

    async def scan(
        self, pattern: bytes, cursor: str | None, count: int
    ) -> tuple[tuple[bytes, ...], str | None]:
        """Return names that match, and where to go on."""
        tour = Tour.read(cursor)
        slots = await self._members.known()
        host = self._owner(tour.slot, slots)
        try:
            told = await look(self._members.at(host), tour.at, pattern, count)
        except StorageError:
            self._members.suspect(host)
            raise
        tour = tour.looked(told, slots.of(host))
        if not told.position:
            self._members.doubt()
            tour = tour.left((await self._members.known()).of(host))
        return told.names, tour.cursor

    async def _all(
        self, commands: Sequence[Packed], places: dict[Host | None, list[int]]
    ) -> list[tuple[list[int], list[Any]]]:
        """Ask each node for its part; give the answers with their places."""
        tasks = [
            self._runtime().spawn(
                self._part(host, [commands[place] for place in own]),
                "part of a batch",
                call=current.get(),
            )
            for host, own in places.items()
        ]
        told: list[tuple[list[int], list[Any]]] = []
        try:
            for own, task in zip(places.values(), tasks, strict=True):
                await asyncio.wait((task,))
                if task.cancelled():  # not the caller, who must not see a cancellation
                    msg = "the store was closed before the batch was answered"
                    raise Closed(msg)
                told.append((own, task.result()))
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        return told

    async def _part(self, host: Host | None, commands: list[Packed]) -> list[Any]:
        if host is None:
            self._members.doubt()
            return [FAILURES["uncovered"].error() for _ in commands]
        try:
            return await self._members.at(host).ask_all(commands)
        except StorageError as error:
            self._members.suspect(host)
            return [error] * len(commands)

    async def _sent_on(self, command: Packed, name: bytes) -> Any:
        try:
            return await self.ask(command, name)
        except (ResponseError, StorageError) as error:
            return error

    async def _at(self, host: Host, command: Packed) -> Any:
        try:
            answer = await self._members.at(host).ask(command)
        except (ClusterDownError, ReadOnlyError):
            self._members.doubt()
            raise
        except StorageError:
            self._members.suspect(host)
            raise
        self._members.trust(host)
        return answer

    async def _asked(self, host: Host, command: Packed) -> Any:
        """Ask a node that is about to take the slot over."""
        _, answer = await self._members.at(host).ask_all([ASKING, command])
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def _owner(self, slot: int, slots: Slots) -> Host:
        host = slots.owner(slot)
        if host is None:
            self._members.doubt()
            raise FAILURES["uncovered"].error()
        return host


def _target(error: AskError, asked: Host) -> Host:
    """Return the node that is to be asked instead; its name may be left out."""
    told: Any = error
    return str(told.host or asked[0]), int(told.port)
