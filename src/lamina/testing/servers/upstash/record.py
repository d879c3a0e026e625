"""One stored vector with what belongs to it, and how it is written as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from lamina.testing.servers.upstash.refusals import wrong_input

if TYPE_CHECKING:
    from lamina.index.ranking import Floats
    from lamina.values import SparseVector, Vector


class Include(NamedTuple):
    """Which optional fields an answer shows."""

    vectors: bool = False
    metadata: bool = False
    data: bool = False


@final
class Record:
    """A stored vector; never changed, so that a search may show it after it was replaced.

    Raises:
        Refused: The metadata cannot be written as JSON.
    """

    __slots__ = ("data", "id", "metadata", "metadata_text", "slot", "sparse", "vector")

    def __init__(
        self,
        id: str,  # noqa: A002  # the wire's word
        vector: Vector | None,
        sparse: SparseVector | None,
        metadata: dict[str, Any] | None,
        data: str | None,
    ) -> None:
        self.id = id
        self.vector = vector
        self.sparse = sparse
        self.metadata = metadata
        self.metadata_text = "" if metadata is None else _checked(metadata)
        self.data = data
        self.slot = -1  # until it is stored

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        dense = len(self.vector.data) if self.vector else 0
        sparse = 8 * len(self.sparse.indices) if self.sparse else 0
        return len(self.id) + dense + sparse + len(self.metadata_text) + len(self.data or "")

    @property
    def metadata_bytes(self) -> int:
        """How many bytes the metadata takes as compact JSON in UTF-8."""
        text = json.dumps(self.metadata, separators=(",", ":"), ensure_ascii=False)
        return len(text.encode("utf-8", "replace"))

    def text(self, include: Include, score: float | None = None) -> str:
        """Return JSON with the fields that are asked for and there."""
        parts = [f'"id":{dumped(self.id)}']
        if score is not None:
            parts.append(f'"score":{shortest(score)}')
        if include.vectors:
            parts.append(self._vectors_text())
        if include.metadata and self.metadata_text:
            parts.append(f'"metadata":{self.metadata_text}')
        if include.data and self.data is not None:
            parts.append(f'"data":{dumped(self.data)}')
        return "{" + ",".join(filter(None, parts)) + "}"

    def _vectors_text(self) -> str:
        parts: list[str] = []
        if self.vector is not None:
            parts.append(f'"vector":[{numbers(np.frombuffer(self.vector.data, dtype="<f4"))}]')
        if self.sparse is not None:
            indices = ",".join(map(str, self.sparse.indices))
            values = numbers(np.array(self.sparse.values, dtype=np.float32))
            parts.append(f'"sparseVector":{{"indices":[{indices}],"values":[{values}]}}')
        return ",".join(parts)


def numbers(row: Floats) -> str:
    """Return float32 numbers by their shortest texts: 0.1, not 0.10000000149011612."""
    return ",".join(map(str, row))


def shortest(number: float) -> str:
    """Return the shortest text that is the same float32."""
    return str(np.float32(number))


def dumped(value: Any) -> str:
    """Return compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _checked(metadata: dict[str, Any]) -> str:
    try:
        return dumped(metadata)
    except (RecursionError, ValueError) as error:  # too deep, or a number that became infinite
        raise wrong_input() from error
