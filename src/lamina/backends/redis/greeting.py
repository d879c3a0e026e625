"""Who a server says that it is, when it is first met."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.wire import INFO, PING

if TYPE_CHECKING:
    from lamina.backends.redis.node import Node

_OLDEST: Final = (6, 2)
_FIELD: Final = re.compile(rb"^(\w+):(.*?)\r?$", re.MULTILINE)


async def greet(node: Node, *, cluster: bool) -> None:
    """Make a round trip and check version and mode, as far as the user may see them.

    Raises:
        StorageError: It is another kind of server, or too old, or refuses.
    """
    try:
        await node.ask(PING)
        (info,) = await node.ask_all([INFO])
    except ResponseError as error:
        raise refused(error) from error
    if isinstance(info, NoPermissionError):
        return
    if isinstance(info, ResponseError):
        raise refused(info) from info
    told = fields(info)
    version = re.match(rb"(\d+)\.(\d+)", told.get(b"redis_version", b""))
    if version is None:
        raise FAILURES["garbage"].error()
    if (int(version[1]), int(version[2])) < _OLDEST:
        raise FAILURES["too old"].error(detail=f"it is {version[0].decode()}")
    mode = told.get(b"redis_mode") or told.get(b"server_mode")  # Valkey calls it so
    if mode == b"sentinel":
        raise FAILURES["is a sentinel"].error()
    if (mode == b"cluster") is not cluster:
        raise FAILURES["is no cluster" if cluster else "is a cluster"].error()


def fields(info: Any) -> dict[bytes, bytes]:
    """Return what the answer to INFO says by name."""
    return dict(_FIELD.findall(info)) if isinstance(info, bytes) else {}
