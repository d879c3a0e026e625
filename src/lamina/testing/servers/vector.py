"""Upstash Vector, by a server of our own."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Literal

from lamina.testing.servers.local import Local
from lamina.testing.servers.problems import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["dense", "sparse", "hybrid", "embedding", "hybrid-embedding"]


class Upstash(Local):
    """A local Upstash Vector, with any number of indexes of all kinds; nothing is kept on disk.

    Args:
        switches: More of its command line, such as ``["--lag", "0.2"]``; see
            ``python -m lamina.testing.servers.upstash --help``.
        token: What clients must tell.
        port: Where it listens; a free port if not given.
        timeout: How long starting may take, in seconds.
    """

    name = "upstash"
    module = "upstash"
    packages = ("aiohttp", "numpy")

    def __init__(
        self,
        switches: Sequence[str] = (),
        *,
        token: str = "lamina-token",  # noqa: S107  # for a server on loopback
        port: int | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(port=port, timeout=timeout)
        self._switches = [*switches]
        self.token = token

    def environment(self) -> dict[str, str]:
        url, token = self.index("embedding", name="lamina")
        return {"UPSTASH_VECTOR_REST_URL": url, "UPSTASH_VECTOR_REST_TOKEN": token}

    def index(self, kind: Kind = "dense", *, name: str | None = None) -> tuple[str, str]:
        """Return the URL and the token of an empty index, or of the one of that *name*."""
        return f"{self.url}/{kind}~{name or secrets.token_hex(8)}", self.token

    def control(self, **settings: Any) -> dict[str, Any]:
        """Change how it behaves, such as ``lag=0.2`` or ``faults=[{"status": 500}]``.

        Returns all settings and how many requests each endpoint got; the module
        ``lamina.testing.servers.upstash.control`` names them.

        Raises:
            ServerFailed: There is no such setting.
            OSError: The server does not answer.
        """
        status, body = self._request("POST", "/_control", json.dumps(settings).encode())
        if status != 200:
            msg = f"{self.name} refuses the settings"
            raise ServerFailed(msg, body.decode(errors="replace"))
        told: dict[str, Any] = json.loads(body)
        return told

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--token", self.token, *self._switches]
