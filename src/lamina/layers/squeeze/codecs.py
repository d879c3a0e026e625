"""What of each domain is squeezed; loaded with the first operation of it."""

from __future__ import annotations

from typing import Any, final

from lamina.domains.coded import Coded, Domains
from lamina.layers.squeeze.core import Squeezer


@final
class Squeezed(Domains[Squeezer]):
    """Values and documents; the others pass as they are.

    Media is compressed by its own formats and read by ranges; vectors do not compress.
    """

    name = "squeeze"
    light = 32 * 1024  # 0.2 ms of zlib
    others = True

    @classmethod
    def way(cls, domain: str) -> type[Coded[Any]] | None:
        if domain == "keyvalue":
            from lamina.domains.keyvalue.coded import CodedKeyValue

            return CodedKeyValue
        if domain == "documents":
            from lamina.domains.documents.coded import CodedDocuments

            return CodedDocuments
        return None
