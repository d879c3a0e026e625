"""How each domain passes the seal; loaded with the first operation of it."""

from __future__ import annotations

from typing import Any, final

from lamina.domains.coded import Coded, Domains
from lamina.layers.seal.core import Sealer


@final
class Sealed(Domains[Sealer]):
    """The domains that can be sealed; of others nothing is served."""

    name = "seal"
    light = 512 * 1024  # 50 µs of AES, as long as a thread takes to answer

    @classmethod
    def way(cls, domain: str) -> type[Coded[Any]] | None:
        if domain == "keyvalue":
            from lamina.domains.keyvalue.coded import CodedKeyValue

            return CodedKeyValue
        if domain == "documents":
            from lamina.domains.documents.coded import CodedDocuments

            return CodedDocuments
        if domain == "vectors":
            from lamina.layers.seal.vectors import SealedVectors

            return SealedVectors
        if domain == "media":
            from lamina.layers.seal.media import SealedMedia

            return SealedMedia
        return None
