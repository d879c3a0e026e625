"""One server: exchanges of commands and answers over pooled connections, and who it is."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final, final

from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

from lamina.backends.redis.failures import FAILURES, lost, refused
from lamina.backends.redis.wire import INFO, PING, sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.redis.pool import Pool
    from lamina.backends.redis.wire import Packed

_OLDEST: Final = (6, 2)
_FIELD: Final = re.compile(rb"^(\w+):(.*?)\r?$", re.MULTILINE)


@final
class Node:
    """Sends commands to one server, each exchange within *timeout* seconds.

    After a failed exchange no connection of before it is used again: the server may have gone,
    and another may have taken its place.
    """

    def __init__(self, pool: Pool, *, timeout: float) -> None:
        self.pool = pool
        self._timeout = timeout

    async def ask(self, command: Packed, name: bytes = b"", values: int = 0) -> Any:
        """Return the answer to one command on the key *name*; so many *values*, if that is above 0.

        Raises:
            StorageError: There is no answer.
            ResponseError: The server answered with an error.
        """
        del name  # all keys are here
        pool = self.pool
        link = await pool.take()
        whole = False
        try:
            async with asyncio.timeout(self._timeout):
                await link.send_packed_command(command, check_health=False)
                if values:
                    answer = await link.read_values(values)
                else:
                    answer = await link.read_response(disable_decoding=True)
            whole = True
        except ResponseError as error:
            whole = True
            if isinstance(error, ReadOnlyError):
                await pool.renew()
            raise
        except Exception as error:
            await pool.renew()
            raise lost(error) from error
        finally:
            await pool.give(link, whole=whole)
        return answer

    async def ask_all(self, commands: Sequence[Packed], values: int = 0) -> list[Any]:
        """Return the answers to several commands sent at once, errors of the server among them.

        The last is a list of so many *values*, if that is above 0, and one more value.

        Raises:
            StorageError: Some have no answer; others may have been carried out.
        """
        pool = self.pool
        link = await pool.take()
        whole = False
        answers: list[Any] = []
        try:
            async with asyncio.timeout(self._timeout):
                await link.send_packed_command(sequence(commands), check_health=False)
                for left in reversed(range(len(commands))):
                    try:
                        if values and not left:
                            heads = (b"*2", b"*%d" % values)
                            answers.append(await link.read_values(values + 1, *heads))
                        else:
                            answers.append(await link.read_response(disable_decoding=True))
                    except ResponseError as error:
                        answers.append(error)
                        if isinstance(error, ReadOnlyError):
                            await pool.renew()
            whole = True
        except Exception as error:
            await pool.renew()
            failure = lost(error)
            failure.sent = "maybe"  # a refusal speaks for one command only
            raise failure from error
        finally:
            await pool.give(link, whole=whole)
        return answers


async def greet(node: Node, *, cluster: bool) -> None:
    """Make a round trip and check version and mode, as far as the user may see them.

    Raises:
        StorageError: It is another kind of server, or too old, or refuses.
    """
    try:
        await node.ask(PING)
        (info,) = await node.ask_all([INFO])
    except ResponseError as error:
        raise refused(error) from error
    if isinstance(info, NoPermissionError):
        return
    if isinstance(info, ResponseError):
        raise refused(info) from info
    told = fields(info)
    version = re.match(rb"(\d+)\.(\d+)", told.get(b"redis_version", b""))
    if version is None:
        raise FAILURES["garbage"].error()
    if (int(version[1]), int(version[2])) < _OLDEST:
        raise FAILURES["too old"].error(detail=f"it is {version[0].decode()}")
    mode = told.get(b"redis_mode") or told.get(b"server_mode")  # Valkey calls it so
    if mode == b"sentinel":
        raise FAILURES["is a sentinel"].error()
    if (mode == b"cluster") is not cluster:
        raise FAILURES["is no cluster" if cluster else "is a cluster"].error()


def fields(info: Any) -> dict[bytes, bytes]:
    """Return what the answer to INFO says by name."""
    return dict(_FIELD.findall(info)) if isinstance(info, bytes) else {}
