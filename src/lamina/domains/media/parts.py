"""The operations of a file that is written in parts, all at the store where it began."""

from __future__ import annotations

from lamina.domains.media.operations import Info
from lamina.operation import Operation, operation
from lamina.values import EMPTY, Count, Json, Key


@operation("media", writes=True, idempotent=False)
class Begin(Operation[str]):
    """Begin an upload in parts; gives its id, which the backend draws.

    Nothing is visible until it is finished.
    """

    key: Key
    type: str = "application/octet-stream"
    metadata: Json = EMPTY

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class PutPart(Operation[str]):
    """Write one part, numbered from 1; gives its etag. A part may be written again."""

    key: Key
    upload: Key
    number: Count
    data: bytes

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class Finish(Operation[Info]):
    """Make the object of an upload's parts, all at once; *parts* are their etags in order.

    Finishing again what was finished gives the same answer, unless the key was written since.
    *if_absent* and *if_etag* are those of ``Put``.
    """

    key: Key
    upload: Key
    parts: tuple[str, ...]
    if_absent: bool = False
    if_etag: str | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class Abort(Operation[bool]):
    """Throw an upload's parts away; tells whether there was one."""

    key: Key
    upload: Key

    def portable(self) -> bool:
        return False
