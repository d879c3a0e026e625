"""Commands as bytes: packed here once, without the client's general machinery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Packed: TypeAlias = bytes | list[bytes]
_COPIED: Final = 65_536  # more is passed on in pieces, not copied into one
_LONGEST: Final = 1e12  # seconds, 31,700 years: more would not fit some server's clock

PING: Final = b"*1\r\n$4\r\nPING\r\n"
ASKING: Final = b"*1\r\n$6\r\nASKING\r\n"
INFO: Final = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
CLUSTER_SLOTS: Final = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"


def pack(*words: bytes) -> Packed:
    """Return one command in RESP, the same in version 2 and 3."""
    head = b"*%d\r\n" % len(words)
    if sum(map(len, words)) < _COPIED:
        return head + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
    pieces = [head]
    for word in words:
        pieces += (b"$%d\r\n" % len(word), word, b"\r\n")
    return pieces


def pack_get(name: bytes) -> bytes:
    """Return what reads one value."""
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name)


def pack_set(name: bytes, value: bytes, ttl: float | None) -> Packed:
    """Return what writes one value for *ttl* seconds."""
    if ttl is None:
        head = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(name), name, len(value))
        tail = b"\r\n"
    else:
        head = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(name), name, len(value))
        ms = milliseconds(ttl)
        tail = b"\r\n$2\r\nPX\r\n$%d\r\n%b\r\n" % (len(ms), ms)
    return head + value + tail if len(value) < _COPIED else [head, value, tail]


def sequence(commands: Sequence[Packed]) -> list[bytes]:
    """Return several commands to be sent at once."""
    pieces: list[bytes] = []
    for command in commands:
        if isinstance(command, bytes):
            pieces.append(command)
        else:
            pieces += command
    return pieces


def milliseconds(ttl: float) -> bytes:
    """Return a time to live for PX: at least 1, and at most what every server can add to now."""
    return b"%d" % max(round(min(ttl, _LONGEST) * 1000), 1)
