"""One server: exchanges of commands and answers over pooled connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, final

from redis.exceptions import ReadOnlyError, ResponseError

from lamina.backends.redis.failures import lost
from lamina.backends.redis.wire import sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.redis.pool import Pool
    from lamina.backends.redis.wire import Packed


@final
class Node:
    """Sends commands to one server, each exchange within *timeout* seconds.

    After a failed exchange no connection of before it is used again: the server may have gone,
    and another may have taken its place.
    """

    def __init__(self, pool: Pool, *, timeout: float) -> None:
        self.pool = pool
        self._timeout = timeout

    async def ask(self, command: Packed, name: bytes = b"") -> Any:
        """Return the answer to one command on the key *name*.

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

    async def ask_all(self, commands: Sequence[Packed]) -> list[Any]:
        """Return the answers to several commands sent at once, errors of the server among them.

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
                for _ in commands:
                    try:
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
