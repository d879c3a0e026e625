"""One index: its namespaces, its dimension, its open queries."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, final

from lamina.testing.servers.upstash.embedding import DIMENSION, Texts
from lamina.testing.servers.upstash.namespace import Namespace
from lamina.testing.servers.upstash.options import METRICS
from lamina.testing.servers.upstash.refusals import wrong_dimension

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.kinds import IndexKind
    from lamina.testing.servers.upstash.limits import Limits
    from lamina.testing.servers.upstash.options import Options
    from lamina.testing.servers.upstash.resumed import Resumed


@final
class Index:
    """Namespaces of one kind; hold `lock` while using it.

    *dimension* None is open: the first vector decides, until a reset leaves nothing behind. Where
    texts are embedded it must be no shorter than their vectors, which get zeros added.
    """

    def __init__(self, name: str, kind: IndexKind, dimension: int | None, metric: str) -> None:
        self.name = name
        self.kind = kind
        self.metric = metric
        self.lock = Lock()
        self.resumed: dict[str, Resumed] = {}
        self.namespaces: dict[str, Namespace] = {"": self._new()}
        self._given = dimension
        self._found: int | None = None
        self.texts = Texts(kind.vectors) if kind.embeds else None

    def _new(self) -> Namespace:
        return Namespace(self.kind.vectors, METRICS[self.metric])

    @property
    def dimension(self) -> int | None:
        """How many numbers a dense vector has; None while that is open."""
        return self._given or self._found

    @property
    def text_dimension(self) -> int:
        """How many numbers the dense vector of a text has."""
        return self.dimension or DIMENSION

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(len(each.records.by_id) for each in self.namespaces.values())

    @property
    def weight(self) -> int:
        """About how many numbers it holds."""
        return self.count * (self.dimension or 100)

    def check(self, dimension: int) -> None:
        """Refuse a dense vector of another *dimension*."""
        least = self.text_dimension if self.kind.embeds else dimension
        if dimension != (self.dimension or max(dimension, least)):
            raise wrong_dimension(dimension, self.dimension or least)

    def settle(self, dimension: int) -> None:
        """Keep to *dimension* from now on."""
        self._found = dimension

    def unsettle(self) -> None:
        """Let the next vector decide the dimension, if there is none left."""
        if not self.count:
            self._found = None

    def namespace(self, name: str) -> Namespace:
        """Return a namespace, a new one if need be."""
        found = self.namespaces.get(name)
        if found is None:
            found = self.namespaces[name] = self._new()
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: which index and namespace, with what body, at what time."""

    index: Index
    namespace: str
    body: object
    options: Options
    now: float
    everything: bool = False
    """Whether the query string says ``all``."""

    @property
    def found(self) -> Namespace | None:
        """The namespace, if there is one."""
        return self.index.namespaces.get(self.namespace)

    @property
    def limits(self) -> Limits:
        """How much may be asked."""
        return self.options.limits

    @property
    def due(self) -> float:
        """When queries see what is written now."""
        return self.now + self.options.lag

    @property
    def drop_due(self) -> float | None:
        """When queries see what is deleted now; None is at once."""
        return self.due if self.options.stale_deletes else None
