"""Commands as bytes, packed without the client's general machinery, and answers, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from lamina.backends.redis.failures import FAILURES

if TYPE_CHECKING:
    from collections.abc import Sequence

Packed: TypeAlias = bytes | list[bytes]
_COPIED: Final = 65_536  # more is passed on in pieces, not copied into one
_LONGEST: Final = 1e12  # seconds, 31,700 years: more would not fit some server's clock

MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"
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
    return _gathered(pieces)


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
    return _gathered(pieces)


def _gathered(pieces: list[bytes]) -> list[bytes]:
    """Join what is short: the transport of Python 3.12 and later is slow with many pieces."""
    joined: list[bytes] = []
    run: list[bytes] = []
    for piece in pieces:
        if len(piece) < _COPIED:
            run.append(piece)
            continue
        joined += (b"".join(run), piece) if run else (piece,)
        run = []
    return [*joined, b"".join(run)] if run else joined


def milliseconds(ttl: float) -> bytes:
    """Return a time to live for PX: at least 1, and at most what every server can add to now."""
    return b"%d" % max(round(min(ttl, _LONGEST) * 1000), 1)


def value_of(answer: Any) -> bytes | None:
    """Return a value, None for an absent one.

    Raises:
        Corrupt: It is something else.
    """
    if answer is None or type(answer) is bytes:
        return answer
    raise FAILURES["garbage"].error()


def number_of(answer: Any) -> int:
    """Return an integer.

    Raises:
        Corrupt: It is something else.
    """
    if type(answer) is int:
        return answer
    raise FAILURES["garbage"].error()


def two_of(answer: Any) -> tuple[Any, Any]:
    """Return the two things that a script gives.

    Raises:
        Corrupt: It is something else.
    """
    first, second = list_of(answer, 2)
    return first, second


def list_of(answer: Any, size: int) -> list[Any]:
    """Return a list of so many.

    Raises:
        Corrupt: It is something else.
    """
    found = cast("list[Any]", answer)
    if type(found) is list and len(found) == size:
        return found
    raise FAILURES["garbage"].error()


def check_ok(answer: Any) -> None:
    """See that it was done.

    Raises:
        Corrupt: It is something else.
    """
    if answer != b"OK":
        raise FAILURES["garbage"].error()
