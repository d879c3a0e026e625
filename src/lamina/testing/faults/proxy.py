"""A TCP proxy that fails by script, in front of any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.testing.faults.connection import Connection
from lamina.testing.faults.listener import Listener
from lamina.testing.faults.passage import Passage
from lamina.testing.faults.script import Fault
from lamina.testing.faults.traffic import Traffic

if TYPE_CHECKING:
    from lamina.testing.faults.script import Ending, Harm
    from lamina.testing.faults.splitting import Splitter
    from lamina.testing.faults.traffic import Seconds


@final
class FaultProxy(Listener):
    """Passes connections on to *host* and *port*, and fails as told, at once and while it runs.

    Each fault strikes once, unless *times* says otherwise (``None``: until `heal`), on the
    connection of that number if one is given, after *skip* chances were let pass. *how* is
    ``"reset"`` (RST), ``"close"`` (an orderly end), ``"hang"`` (nothing moves any more) or, inside
    a request or answer, ``"corrupt"`` (one byte is changed). All of a connection's traffic since
    the last answer is a request, unless *requests* splits it exactly: `resp_command`,
    `http_request` or your own.
    """

    def __init__(self, host: str, port: int, *, requests: Splitter | None = None) -> None:
        super().__init__()
        self._to = (host, port)
        self._traffic = Traffic(requests)

    @property
    def requests(self) -> int:
        """How many requests began."""
        return self._traffic.requests

    @property
    def struck(self) -> int:
        """How often a fault struck."""
        return self._traffic.script.struck

    @property
    def bytes_up(self) -> int:
        """How many bytes clients sent."""
        return self._traffic.up.bytes

    @property
    def bytes_down(self) -> int:
        """How many bytes the server answered."""
        return self._traffic.down.bytes

    def at_connect(
        self, how: Ending, *, skip: int = 0, times: int | None = 1, connection: int | None = None
    ) -> None:
        """Fail a connection as it is made, before the server hears of it."""
        self._add(Fault("connect", how, 0, skip, times, connection))

    def before_request(
        self, how: Ending, *, skip: int = 0, times: int | None = 1, connection: int | None = None
    ) -> None:
        """Fail a request when it comes: nothing of it reaches the server."""
        self._add(Fault("request", how, 0, skip, times, connection))

    def in_request(
        self,
        how: Harm,
        *,
        after: int,
        skip: int = 0,
        times: int | None = 1,
        connection: int | None = None,
    ) -> None:
        """Fail a request when *after* bytes of it were passed on."""
        self._add(Fault("request", how, after, skip, times, connection))

    def after_request(
        self, how: Ending, *, skip: int = 0, times: int | None = 1, connection: int | None = None
    ) -> None:
        """Fail when a request was sent, carried out and answered: nothing of the answer comes."""
        self._add(Fault("answer", how, 0, skip, times, connection))

    def in_answer(
        self,
        how: Harm,
        *,
        after: int,
        skip: int = 0,
        times: int | None = 1,
        connection: int | None = None,
    ) -> None:
        """Fail an answer when *after* bytes of it were passed on; ``"close"`` truncates it."""
        self._add(Fault("answer", how, after, skip, times, connection))

    def delay(self, *, up: Seconds = 0.0, down: Seconds = 0.0) -> None:
        """Hold up each request (*up*) and answer (*down*): seconds, or a callable that draws."""
        self._traffic.up.delay = up
        self._traffic.down.delay = down

    def throttle(self, *, up: float | None = None, down: float | None = None) -> None:
        """Pass at most so many bytes a second on each connection; ``None`` is no limit."""
        self._traffic.up.rate = up
        self._traffic.down.rate = down

    def refuse(self) -> None:
        """Refuse new connections, as a host does where nothing listens; keep the others."""
        self._at_once(self._stop_listening)

    def blackhole(self) -> None:
        """Take everything and pass nothing on; a connection used meanwhile stays silent."""
        self._traffic.black = True

    def heal(self) -> None:
        """End all faults; connections that hang or were closed stay so."""
        self._traffic.script.clear()
        self._traffic.black = False
        self.delay()
        self.throttle()
        self._at_once(self._listen)

    def _add(self, fault: Fault) -> None:
        self._traffic.script.add(fault)

    async def serve(self, client: Connection, number: int) -> None:
        fault = self._traffic.script.draw("connect", number)
        how = fault.how if fault is not None else "hang" if self._traffic.black else None
        if how == "hang":
            await client.drained()
        elif how == "reset":
            client.reset()
        elif how is None:
            await self._pass_on(client, number)

    async def _pass_on(self, client: Connection, number: int) -> None:
        try:
            server = await Connection.to(*self._to)
        except OSError:
            client.reset()
            return
        await Passage(self._traffic, client, server, number).run()
