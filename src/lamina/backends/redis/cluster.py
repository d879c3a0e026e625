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

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.greeting import greet
from lamina.backends.redis.looks import look
from lamina.backends.redis.names import SLOTS, slot_of
from lamina.backends.redis.slots import Slots
from lamina.backends.redis.tour import Tour
from lamina.backends.redis.wire import ASKING, CLUSTER_SLOTS, PING
from lamina.context import current
from lamina.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.backends.redis.address import Host
    from lamina.backends.redis.node import Node
    from lamina.backends.redis.wire import Packed
    from lamina.runtime import Runtime

_REDIRECTIONS: Final = 5


@final
class Cluster:
    """Nodes that are made by *node* when first needed; *seeds* are asked for the others.

    What a node refuses because another holds the key was not carried out, so it is sent on.
    After any other failure the next call asks anew who holds what.
    """

    def __init__(
        self, seeds: Sequence[Host], node: Callable[[Host], Node], runtime: Callable[[], Runtime]
    ) -> None:
        self._seeds = seeds
        self._make = node
        self._runtime = runtime
        self._nodes: dict[Host, Node] = {}
        self._slots = Slots()
        self._suspects: set[Host] = set()
        self._is_stale = True
        self._asking = asyncio.Lock()

    async def open(self) -> None:
        """Ask who holds what, and the first of them who it is."""
        hosts = (await self._known()).hosts()
        if not hosts:
            self._is_stale = True
            raise FAILURES["uncovered"].error()
        await greet(self._node(hosts[0]), cluster=True)

    async def close(self) -> None:
        """Close the connections to all nodes."""
        nodes, self._nodes = self._nodes, {}
        try:
            for node in nodes.values():
                await node.pool.close()
        finally:
            for node in nodes.values():
                await node.pool.abort()

    async def check(self) -> None:
        """Make a round trip to each node, and see that together they hold all slots."""
        slots = await self._known()
        for host in slots.hosts():
            await self._at(host, PING)
        if any(slots.owner(slot) is None for slot in range(SLOTS)):
            self._is_stale = True
            raise FAILURES["uncovered"].error()

    async def ask(self, command: Packed, name: bytes = b"") -> Any:
        """Return the answer to one command on the key *name*.

        Raises:
            StorageError: There is no answer.
            ResponseError: The node answered with an error.
        """
        slot = slot_of(name)
        host = self._owner(slot, await self._known())
        for _ in range(_REDIRECTIONS):
            try:
                return await self._at(host, command)
            except MovedError as error:
                host = _target(error, host)
                self._slots.move(slot, host)
                self._is_stale = True
            except AskError as error:
                return await self._asked(_target(error, host), command)
        raise FAILURES["moving"].error()

    async def ask_each(self, commands: Sequence[Packed], names: Sequence[bytes]) -> list[Any]:
        """Return the answer to each command, which may be an error; all nodes work at once."""
        slots = await self._known()
        places: defaultdict[Host | None, list[int]] = defaultdict(list)
        for place, name in enumerate(names):
            places[slots.owner(slot_of(name))].append(place)
        answers: list[Any] = [None] * len(commands)
        for own, told in await self._all(commands, places):
            for place, answer in zip(own, told, strict=True):
                answers[place] = answer
        for place, answer in enumerate(answers):
            if isinstance(answer, AskError):  # MOVED too
                self._is_stale = True
                answers[place] = await self._sent_on(commands[place], names[place])
        return answers

    async def scan(
        self, pattern: bytes, cursor: str | None, count: int
    ) -> tuple[tuple[bytes, ...], str | None]:
        """Return names that match, and where to go on."""
        tour = Tour.read(cursor)
        slots = await self._known()
        host = self._owner(tour.slot, slots)
        try:
            told = await look(self._node(host), tour.at, pattern, count)
        except StorageError:
            self._failed(host)
            raise
        tour = tour.looked(told, slots.of(host))
        if not told.position:
            self._is_stale = True
            tour = tour.left((await self._known()).of(host))
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
        try:
            told = [(own, await task) for own, task in zip(places.values(), tasks, strict=True)]
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        return told

    async def _part(self, host: Host | None, commands: list[Packed]) -> list[Any]:
        if host is None:
            self._is_stale = True
            return [FAILURES["uncovered"].error() for _ in commands]
        try:
            return await self._node(host).ask_all(commands)
        except StorageError as error:
            self._failed(host)
            return [error] * len(commands)

    async def _sent_on(self, command: Packed, name: bytes) -> Any:
        try:
            return await self.ask(command, name)
        except (ResponseError, StorageError) as error:
            return error

    async def _at(self, host: Host, command: Packed) -> Any:
        try:
            answer = await self._node(host).ask(command)
        except (ClusterDownError, ReadOnlyError):
            self._is_stale = True
            raise
        except StorageError:
            self._failed(host)
            raise
        if self._suspects:
            self._suspects.discard(host)
        return answer

    async def _asked(self, host: Host, command: Packed) -> Any:
        """Ask a node that is about to take the slot over."""
        _, answer = await self._node(host).ask_all([ASKING, command])
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def _owner(self, slot: int, slots: Slots) -> Host:
        host = slots.owner(slot)
        if host is None:
            self._is_stale = True
            raise FAILURES["uncovered"].error()
        return host

    def _failed(self, host: Host) -> None:
        self._suspects.add(host)
        self._is_stale = True

    def _node(self, host: Host) -> Node:
        node = self._nodes.get(host)
        if node is None:
            node = self._nodes[host] = self._make(host)
        return node

    async def _known(self) -> Slots:
        """Return who holds what, asked anew if something has spoken against it."""
        if self._is_stale:
            async with self._asking:
                if self._is_stale:
                    await self._ask_anew()
        return self._slots

    async def _ask_anew(self) -> None:
        """Ask the nodes, those that failed last and the seeds last of all."""
        known = dict.fromkeys((*self._slots.hosts(), *self._seeds))
        failure: StorageError | None = None
        for host in sorted(known, key=self._suspects.__contains__):
            try:
                told = await self._node(host).ask(CLUSTER_SLOTS)
            except ResponseError as error:
                failure = refused(error)
                failure.__cause__ = error
                continue
            except StorageError as error:
                failure = error
                self._suspects.add(host)
                continue
            self._slots = Slots.told(told, host)
            self._is_stale = False
            await self._retire(set(self._nodes) - set(self._slots.hosts()))
            return
        raise FAILURES["no nodes"].error() if failure is None or failure.transient else failure

    async def _retire(self, hosts: set[Host]) -> None:
        self._suspects -= hosts
        for host in hosts:
            await self._nodes.pop(host).pool.retire()


def _target(error: AskError, asked: Host) -> Host:
    """Return the node that is to be asked instead; its name may be left out."""
    told: Any = error
    return str(told.host or asked[0]), int(told.port)
