"""One server that holds all keys, found at an address or by sentinels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.redis.greeting import greet
from lamina.backends.redis.looks import LAST, Look, look
from lamina.backends.redis.wire import PING
from lamina.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.redis.node import Node
    from lamina.backends.redis.wire import Packed

_CURSOR: Final = re.compile(r"([0-9a-f]{0,40})-([0-9]{1,20})")


@final
class Single:
    """A server by itself."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.ask = node.ask

    async def open(self) -> None:
        """Ask the server who it is."""
        await greet(self._node, cluster=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._node.pool.close()

    async def check(self) -> None:
        """Make a round trip."""
        await self._node.ask(PING)

    async def ask_each(self, commands: Sequence[Packed], names: Sequence[bytes]) -> list[Any]:
        """Return the answer to each command, which may be an error."""
        del names  # all keys are here
        return await self._node.ask_all(commands)

    async def scan(
        self, pattern: bytes, cursor: str | None, count: int
    ) -> tuple[tuple[bytes, ...], str | None]:
        """Return names that match, and where to go on."""
        found = _CURSOR.fullmatch(cursor or "-0")
        if found is None or int(found[2]) > LAST:
            msg = "the cursor is none that a scan has given"
            raise Invalid(msg)
        told = await look(self._node, Look(found[1], int(found[2])), pattern, count)
        return told.names, f"{told.run}-{told.position}" if told.position else None
