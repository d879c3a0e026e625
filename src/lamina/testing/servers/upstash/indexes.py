"""All indexes of one server, by ``KIND`` or ``KIND~NAME``; made when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.testing.servers.upstash.index import Index
from lamina.testing.servers.upstash.kinds import KINDS
from lamina.testing.servers.upstash.refusals import Refused

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.kinds import IndexKind
    from lamina.testing.servers.upstash.options import Options


@final
class Indexes:
    """Indexes by key, with the dimensions and the metric that the server was started with."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._made: dict[str, Index] = {}

    def names(self) -> list[str]:
        """Return the keys of all that were made."""
        return list(self._made)

    def check_name(self, key: str) -> None:
        """Refuse a key that does not begin with a kind."""
        if key.partition("~")[0] not in KINDS:
            raise Refused(404, "Not Found")

    def get(self, key: str) -> Index:
        """Return an index, a new one if need be."""
        found = self._made.get(key)
        return self.make(key) if found is None else found

    def make(self, key: str, dimension: int | None = None, metric: str | None = None) -> Index:
        """Make an empty index."""
        self.check_name(key)
        kind_name, _, name = key.partition("~")
        kind, usual = KINDS[kind_name], self._usual(KINDS[kind_name])
        size = None if kind.vectors == "sparse" else dimension or usual
        made = Index(name or kind_name, kind, size, metric or self._options.metric)
        self._made[key] = made
        return made

    def forget(self, key: str) -> None:
        """Let an index go, if it is there."""
        self._made.pop(key, None)

    def _usual(self, kind: IndexKind) -> int | None:
        options = self._options
        if kind.embeds:
            return options.embedding_dimension
        if kind.vectors == "hybrid":
            return options.hybrid_dimension or options.dimension
        return options.dimension
