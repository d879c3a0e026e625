"""The caches of all stores of a storage: forgotten, counted and bounded together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from lamina.storage.domains import Domains
from lamina.values import check_text

if TYPE_CHECKING:
    from lamina.domains.store import Facade
    from lamina.layers.cache.ceiling import Ceiling
    from lamina.layers.cache.stats import CacheStats

CACHE_BYTES: Final = 128 * 1024 * 1024
"""Half of what the caches of four stores may take by their own default: all are seldom full."""


@runtime_checkable
class CacheLayer(Protocol):
    """A layer that keeps answers, known by what it does: its class need not be loaded for that."""

    def invalidate(self, pattern: str | None = None, *, scope: str | None = None) -> None:
        """Forget the answers of keys that match a glob, at once."""
        ...

    async def sweep(self, *, invalidated: bool = False) -> int:
        """Let go of what no longer holds; return how many that were."""
        ...

    def stats(self) -> CacheStats:
        """Return what it has done."""
        ...

    def join(self, ceiling: Ceiling) -> None:
        """Hold no more together with others than *ceiling* allows."""
        ...


class Caches(Domains):
    """What is done with the caches of all stores, those beside the four too."""

    beside: dict[str, Facade]
    _tenant: str

    async def invalidate_cache(self, pattern: str | None = None) -> int:
        """Forget cached answers of keys that match a glob, all without; return how many were held.

        They are forgotten at once; counting gives the loop turns. Searches and listings may show
        any key, so all of them are forgotten. A tenant's storage forgets the tenant's only, and
        that of no tenant everybody's. Answers that a write had made wrong already do not count.
        """
        if pattern is not None:
            check_text(pattern, what="pattern")
        caches = self._caches()
        for cache in caches.values():
            cache.invalidate(pattern, scope=self._tenant or None)
        return sum([await cache.sweep(invalidated=True) for cache in caches.values()])

    def cache_stats(self) -> dict[str, CacheStats]:
        """Return what the caches have done, by domain, where there is one; all tenants share it."""
        return {name: cache.stats() for name, cache in self._caches().items()}

    def _share_memory(self, most: int) -> None:
        """Let all caches together hold *most* bytes."""
        caches = self._caches()
        if caches:
            from lamina.layers.cache.ceiling import Ceiling

            ceiling = Ceiling(most)
            for cache in caches.values():
                cache.join(ceiling)

    def _caches(self) -> dict[str, CacheLayer]:
        stores = {**self.stores(), **self.beside}
        found = {name: cache_of(store) for name, store in stores.items()}
        return {name: cache for name, cache in found.items() if cache is not None}


def cache_of(store: Facade) -> CacheLayer | None:
    """Return the cache of one store, None if it has none."""
    kind: Any = CacheLayer
    found: CacheLayer | None = store.bound.layer(kind)
    return found


def plain(stats: CacheStats) -> dict[str, Any]:
    """Return what a cache has done as a plain dict, which JSON can carry."""
    told = dataclasses.asdict(stats)
    operations = {name: one._asdict() for name, one in stats.operations.items()}
    return {**told, "operations": operations}
