"""Bytes of an object, and of which version they are."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self, final

from lamina.backends.supabase.objects import Stored, bare
from lamina.errors import Corrupt

if TYPE_CHECKING:
    from lamina.backends.supabase.client import Client
    from lamina.domains.media import ReadRange

_FARTHEST: Final = (1 << 53) - 1
"""The last byte that a range may name: Storage counts in floats."""


@final
@dataclass(frozen=True, slots=True)
class Range:
    """What was read; *etag* is None where the object ends before it."""

    data: bytes
    etag: str | None

    @classmethod
    async def read(cls, client: Client, bucket: str, name: str, op: ReadRange) -> Self | None:
        """Read a range of the object *name*, None if there is none.

        Raises:
            Corrupt: The answer is not Storage's, which always tells an etag.
        """
        from lamina.backends.supabase.failures import NoObject, PastEnd

        if op.start > _FARTHEST:
            return cls(b"", None)
        last = min(op.start + op.length - 1, _FARTHEST)
        headers = {"range": f"bytes={op.start}-{last}", "accept-encoding": "identity"}
        try:
            answer = await client.storage(
                "GET", "object", bucket, *name.split("/"), headers=headers
            )
        except PastEnd:
            return cls(b"", None)
        except NoObject:
            return None
        data, etag = answer.content, bare(answer.headers.get("etag", ""))
        if not etag:
            raise _damaged()
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            return cls(data[op.start : op.start + op.length], etag)
        if not answer.headers.get("content-range", "").startswith(f"bytes {op.start}-"):
            raise _damaged()
        return cls(data, etag)

    def is_of(self, found: Stored, op: ReadRange) -> bool:
        """Tell whether it was read of that version: if not, it was replaced in between.

        Raises:
            Corrupt: It was, but is not what *op* asks for.
        """
        if self.etag is None:
            return found.size <= op.start
        if self.etag != found.etag:
            return False
        if len(self.data) != max(min(op.length, found.size - op.start), 0):
            raise _damaged()
        return True


def _damaged() -> Corrupt:
    return Corrupt("the answer is not a range of the object")
