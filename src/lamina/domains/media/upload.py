"""Upload what a source gives, part by part; thrown away unless it gets to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

from lamina.context import current
from lamina.domains.media.operations import PART, Abort, Begin, Finish, PutPart
from lamina.domains.media.sources import read_part
from lamina.errors import Closed

if TYPE_CHECKING:
    from lamina.bound import Bound, Sends
    from lamina.domains.media.sources import Source


@final
class Upload:
    """One upload of one object.

    When it fails or is cancelled, at whatever await, a task of the store's runtime aborts it;
    closing the store waits for that, and within its grace time for the whole upload. A source
    that raises is not caught.
    """

    def __init__(
        self, bound: Bound, begin: Begin, *, if_absent: bool = False, if_etag: str | None = None
    ) -> None:
        self._bound = bound
        self._begin = begin
        self._if_absent = if_absent
        self._if_etag = if_etag

    async def run(self, source: Source, first: bytes) -> None:
        """Send *first*, which was read already, and what follows it.

        Raises:
            Closed: The store is closed, or was and could not wait for all parts.
        """
        with self._bound.holding() as send:
            name = await self._begun(send)
            try:
                await self._send(send, name, source, first)
            except (Exception, asyncio.CancelledError):  # no loop is left to run it for the others
                self._bound.runtime.spawn(self._abort(name), "abort an upload")
                raise

    async def _begun(self, send: Sends) -> str:
        """Begin in a task of its own: a cancelled caller would never learn what to abort."""
        task = self._bound.runtime.spawn(send(self._begin), "begin an upload", call=current.get())
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            self._bound.runtime.spawn(self._abandon(task), "abort an upload")
            raise
        if task.cancelled():  # not the caller, who must not see a cancellation
            msg = "the store was closed before the upload began"
            raise Closed(msg)
        return task.result()

    async def _send(self, send: Sends, name: str, source: Source, first: bytes) -> None:
        key, scope = self._begin.key, self._begin.scope
        etags: list[str] = []
        offset, part = 0, first
        while part:
            op = PutPart(key, name, len(etags) + 1, part, scope=scope)
            etags.append(await send(op))
            offset += len(part)
            part = await read_part(source, offset, PART)
        finish = Finish(key, name, tuple(etags), self._if_absent, self._if_etag, scope=scope)
        await send(finish)

    async def _abandon(self, task: asyncio.Task[str]) -> None:
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await self._abort(task.result())

    async def _abort(self, name: str) -> None:
        await self._bound.send_last(Abort(self._begin.key, name, scope=self._begin.scope))
