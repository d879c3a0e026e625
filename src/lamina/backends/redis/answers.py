"""Answers of the server, checked to be what was asked for."""

from __future__ import annotations

from typing import Any, cast

from lamina.backends.redis.failures import FAILURES


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
