"""Several servers at once."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from lamina.testing.servers.server import Server


@final
class Servers:
    """Start servers side by side, and stop them all.

    Args:
        servers: Any servers that are not running yet, those that others need before these.
    """

    def __init__(self, *servers: Server) -> None:
        self.servers = servers

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, told: Callable[[Server], object] | None = None) -> Self:
        """Start all of them and wait until all answer; call *told* with each that does.

        Raises:
            ServerFailed: One could not be started; none of them runs.
        """
        try:
            with ThreadPoolExecutor(len(self.servers) or 1) as threads:
                starting: dict[Server, Future[Server]] = {}
                for server in self.servers:
                    needed = [starting[need] for need in server.needs if need in starting]
                    starting[server] = threads.submit(_after, needed, server)
                pending = set(starting.values())
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        server = future.result()
                        if told is not None:
                            told(server)
        except BaseException:
            self.stop()
            raise
        return self

    def environment(self) -> dict[str, str]:
        """Return the variables that the presets read, of all of them."""
        return {
            name: value for server in self.servers for name, value in server.environment().items()
        }

    def stop(self) -> None:
        """End all of them."""
        with ThreadPoolExecutor(len(self.servers) or 1) as threads:
            for future in [threads.submit(server.stop) for server in reversed(self.servers)]:
                future.result()


def _after(needed: list[Future[Server]], server: Server) -> Server:
    for future in needed:
        future.result()
    return server.start()
