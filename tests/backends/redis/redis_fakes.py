"""Servers that answer what a real one cannot be made to answer."""

from __future__ import annotations

from collections.abc import Callable

from lamina.testing.faults import FaultProxy, RawServer, resp_command

INFO = b"redis_version:%b\r\nredis_mode:%b\r\nrun_id:0f0f\r\n"


def words(command: bytes) -> list[bytes]:
    """Return the words of a command, by their lengths."""
    count, _, rest = command[1:].partition(b"\r\n")
    found: list[bytes] = []
    for _ in range(int(count)):
        length, _, rest = rest[1:].partition(b"\r\n")
        found.append(rest[: int(length)])
        rest = rest[int(length) + 2 :]
    return found


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def fake(
    answer: bytes | Callable[[list[bytes]], bytes],
    *,
    version: bytes = b"8.0.0",
    mode: bytes = b"standalone",
) -> RawServer:
    """Return a server that says who it is, and answers *answer* to all else."""

    def answered(command: bytes) -> bytes:
        asked = words(command)
        if asked[0] == b"PING":
            return b"+PONG\r\n"
        if asked[0] == b"INFO":
            return bulk(INFO % (version, mode))
        return answer if isinstance(answer, bytes) else answer(asked)

    return RawServer(split=resp_command, default=answered)


def slots(server: RawServer | FaultProxy, *ranges: tuple[int, int]) -> bytes:
    """Return an answer to CLUSTER SLOTS that gives all *ranges* to *server*."""
    node = b"*2\r\n%b:%d\r\n" % (bulk(server.host.encode()), server.port)
    parts = [b"*3\r\n:%d\r\n:%d\r\n%b" % (first, last, node) for first, last in ranges]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))
