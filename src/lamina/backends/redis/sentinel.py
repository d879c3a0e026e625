"""Finding the master that sentinels agree on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from lamina.backends.redis.failures import FAILURES, unconnected
from lamina.backends.redis.links import link
from lamina.backends.redis.wire import pack

if TYPE_CHECKING:
    from lamina.backends.redis.address import Address, Host
    from lamina.backends.redis.links import Link
    from lamina.errors import StorageError


@final
class Sentinels:
    """Asks one after the other where *master* is; who knew it is asked first the next time."""

    def __init__(self, address: Address, master: str, connect_timeout: float) -> None:
        self._address = address
        self._asked = replace(address, login=address.sentinel_login, database=0)
        self._hosts = list(address.hosts)
        self._master = master
        self._connect_timeout = connect_timeout

    async def connected(self) -> Link:
        """Return a connection to what is the master, by the sentinels and by itself.

        Raises:
            StorageError: No sentinel answers, or it is none yet or no more.
        """
        host = await self._located()
        made = link(self._address, host, self._connect_timeout)
        done = False
        try:
            await made.connect()
            if (await _answer(made, pack(b"ROLE")))[0] != b"master":
                raise FAILURES["read only"].error()
            done = True
        finally:
            if not done:
                await made.disconnect(nowait=True)
        return made

    async def _located(self) -> Host:
        failure: StorageError | None = None
        share = self._connect_timeout / (
            len(self._hosts) + 1
        )  # one that hangs leaves time for others
        for host in list(self._hosts):
            try:
                async with asyncio.timeout(share):
                    found = await self._ask(host)
            except Exception as error:
                failure = unconnected(error, f"{host[0]}:{host[1]}")
                failure.__cause__ = error
                continue
            if found is not None:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return found
        if failure is not None:
            raise failure
        raise FAILURES["no master"].error()

    async def _ask(self, host: Host) -> Host | None:
        made = link(self._asked, host, self._connect_timeout)
        words = (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._master.encode())
        try:
            await made.connect()
            answer = await _answer(made, pack(*words))
        finally:
            await made.disconnect(nowait=True)
        if answer is None:
            return None
        name, port = answer
        return name.decode(), int(port)


async def _answer(made: Link, command: Any) -> Any:
    await made.send_packed_command(command, check_health=False)
    return await made.read_response(disable_decoding=True)
