"""Just enough of Redis's protocol to prepare a server, without a client library."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from typing import Self

Answer = str | int | list["Answer"] | None

_TIMEOUT: Final = 5.0


class Refused(Exception):
    """The server answered with an error."""


class Connection:
    """One connection; each command waits for its answer.

    Raises:
        OSError: Nothing listens, or no answer within 5 s.
        Refused: The server answers with an error.
    """

    def __init__(self, port: int, password: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        self._file: BinaryIO = self._socket.makefile("rb")
        self._password = password

    def __enter__(self) -> Self:
        try:
            if self._password:
                self("AUTH", self._password)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def __call__(self, *words: str | int) -> Answer:
        parts = [str(word).encode() for word in words]
        body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), body))
        return self._read()

    def _read(self) -> Answer:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            msg = "the connection was closed"
            raise ConnectionResetError(msg)
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"-":
            raise Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._exactly(int(rest))
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest

    def _exactly(self, size: int) -> str:
        return self._file.read(size + 2)[:-2].decode(errors="replace")
