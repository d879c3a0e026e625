"""Key-value in Redis or Valkey."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, Literal, final

from redis.exceptions import ResponseError

from lamina.backend import serves
from lamina.backends.redis.address import TOPOLOGIES, address
from lamina.backends.redis.batches import get_many, set_many
from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.names import wire
from lamina.backends.redis.scans import scan
from lamina.backends.redis.scripts import GET_STAMPED, PERSIST
from lamina.backends.redis.server import server
from lamina.backends.redis.stamped import get_stamped_many, stamped_of
from lamina.backends.redis.updates import append, increment, replaced
from lamina.backends.redis.wire import (
    check_ok,
    milliseconds,
    number_of,
    pack,
    pack_get,
    pack_set,
    value_of,
)
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    KeyValueBackend,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.store import Check
from lamina.errors import Conflict, Invalid, StackError, StorageError
from lamina.threads import OneThread
from lamina.values import Outcome, Page, Stamped, check_positive

if TYPE_CHECKING:
    from lamina.backends.redis.scripts import Script
    from lamina.backends.redis.wire import Packed

_ABSENT: Final = -2
_FOR_EVER: Final = -1


@final
class RedisKeyValue(KeyValueBackend):
    """Values in Redis 6.2 or later, or Valkey, at *url*.

    The *topology* says what is there: ``"standalone"`` one server; ``"sentinel"`` sentinels that
    know the *master* of that name; ``"cluster"`` some nodes of a cluster, which tell the others.
    The last two take several hosts, ``redis://one:6379,two:6379``.

    At most *connections* are open to each server. A call waits at most *timeout* seconds for a
    free one, *connect_timeout* for a new one, *timeout* for its answer.

    Raises:
        StackError: The options do not fit together; the message shows nothing of the url.
    """

    name = "redis"
    needs_open = True

    def __init__(
        self,
        url: str,
        *,
        topology: Literal["standalone", "sentinel", "cluster"] = "standalone",
        master: str | None = None,
        connections: int = 50,
        timeout: float = 5.0,
        connect_timeout: float = 5.0,
    ) -> None:
        if topology not in TOPOLOGIES:
            msg = f"topology must be one of {', '.join(TOPOLOGIES)}"
            raise StackError(msg)
        if (topology == "sentinel") != bool(master):
            msg = "master must be given with topology 'sentinel', and only then"
            raise StackError(msg)
        try:
            check_positive(connections, what="connections", whole=True)
            check_positive(timeout, what="timeout")
            check_positive(connect_timeout, what="connect_timeout")
        except Invalid as error:
            raise StackError(str(error)) from error
        self._connect_timeout = connect_timeout
        self._is_cluster = topology == "cluster"
        self._thread = OneThread("lamina-redis")
        self._server = server(
            address(url, topology),
            master=master,
            cluster=self._is_cluster,
            connections=connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
            runtime=lambda: self.runtime,
        )

    async def open(self) -> None:
        """Connect, and make a round trip within *connect_timeout*.

        Raises:
            StorageError: The server is down, too old, of another kind, or refuses the user.
        """
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._server.open()
        except StorageError:
            raise
        except TimeoutError as error:
            raise FAILURES["connect timeout"].error() from error

    async def close(self) -> None:
        try:
            await self._server.close()
        finally:
            await self._thread.close()

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        name = wire(op.scope, op.key)
        try:
            answer = await self._server.ask(pack_get(name), name)
        except ResponseError as error:
            raise refused(error) from error
        return value_of(answer)

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        asked = self.runtime.wall()
        answer = await self._run(GET_STAMPED, wire(op.scope, op.key))
        return stamped_of(answer, asked)

    @serves(Set)
    async def set(self, op: Set) -> None:
        name = wire(op.scope, op.key)
        try:
            answer = await self._server.ask(pack_set(name, op.value, op.ttl), name)
        except ResponseError as error:
            raise refused(error) from error
        check_ok(answer)

    @serves(Delete)
    async def delete(self, op: Delete) -> bool:
        name = wire(op.scope, op.key)
        return number_of(await self._ask(pack(b"DEL", name), name)) > 0

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        return await get_many(self._server, op, by_node=self._is_cluster)

    @serves(GetStampedMany)
    async def get_stamped_many(
        self, op: GetStampedMany
    ) -> tuple[Outcome[Stamped[bytes | None]], ...]:
        return await get_stamped_many(self._server, op, self.runtime)

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Outcome[None], ...]:
        return await set_many(self._server, op, by_node=self._is_cluster)

    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        name = wire(op.scope, op.key)
        ttl = None if op.ttl is None else milliseconds(op.ttl)
        if not await replaced(self._server, name, op.expect, op.value, ttl):
            msg = "the key holds another value than expected"
            raise Conflict(msg)

    @serves(Append, "idempotency")
    async def append(self, op: Append) -> int:
        return await append(self._server, op, self._thread)

    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        return await increment(self._server, op)

    @serves(Expire)
    async def expire(self, op: Expire) -> bool:
        name = wire(op.scope, op.key)
        if op.ttl is None:
            return number_of(await self._run(PERSIST, name)) > 0
        return number_of(await self._ask(pack(b"PEXPIRE", name, milliseconds(op.ttl)), name)) > 0

    @serves(TimeToLive)
    async def time_to_live(self, op: TimeToLive) -> float | None:
        name = wire(op.scope, op.key)
        left = number_of(await self._ask(pack(b"PTTL", name), name))
        if left == _ABSENT:
            return None
        return math.inf if left == _FOR_EVER else left / 1000

    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        return await scan(self._server, op)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        try:
            await self._server.check()
        except ResponseError as error:
            raise refused(error) from error

    async def _ask(self, command: Packed, name: bytes) -> Any:
        try:
            return await self._server.ask(command, name)
        except ResponseError as error:
            raise refused(error) from error

    async def _run(self, script: Script, name: bytes, *words: bytes) -> Any:
        return await script.run(self._server, (name,), *words)
