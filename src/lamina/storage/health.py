"""Whether the four stores can serve, asked for real."""

from __future__ import annotations

import asyncio
import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict, cast, runtime_checkable

from lamina.storage.caches import cache_of, plain
from lamina.storage.domains import Domains, together
from lamina.values import check_positive

if TYPE_CHECKING:
    from lamina.domains.store import Facade

_NAMES: Final = {"keyvalue": "redis", "vectors": "vector", "documents": "supabase", "media": "s3"}


@runtime_checkable
class _Breaker(Protocol):
    def force_open(self) -> None: ...
    def status(self) -> Any: ...


@runtime_checkable
class _Metrics(Protocol):
    def summary(self) -> Any: ...


class HealthReport(TypedDict):
    """Which domains can serve, whatever serves them, under the names of the original design."""

    redis: bool
    vector: bool
    supabase: bool
    s3: bool


class DomainStatus(TypedDict):
    """How one domain does; *seconds* is what the round trip took.

    *error* says why it is not healthy. *breaker*, *cache* and *metrics* are what these layers
    tell, None where the stack has none.
    """

    backend: str
    healthy: bool
    error: str | None
    seconds: float
    breaker: dict[str, Any] | None
    cache: dict[str, Any] | None
    metrics: dict[str, Any] | None


class Health(Domains):
    """Real round trips, each under a deadline of its own, all at once."""

    async def health_check(self, *, within: float = 5.0) -> HealthReport:
        """Tell for each domain whether a round trip succeeded *within* so many seconds."""
        healthy = {name: error is None for name, (error, _) in (await self._check(within)).items()}
        return {
            "redis": healthy["keyvalue"],
            "vector": healthy["vectors"],
            "supabase": healthy["documents"],
            "s3": healthy["media"],
        }

    async def status(self, *, within: float = 5.0) -> dict[str, DomainStatus]:
        """Tell for each domain how it does, with a round trip as in ``health_check``."""
        checked = await self._check(within)
        return {
            name: _status(store, error, seconds)
            for name, store in self.stores().items()
            for error, seconds in [checked[name]]
        }

    async def _check(self, within: float) -> dict[str, tuple[Exception | None, float]]:
        check_positive(within, what="within")
        stores = self.stores()
        works = [self._round_trip(store, within) for store in stores.values()]
        outcomes = await together(self._runtime, works, "health check")
        return {
            name: (outcome, within) if isinstance(outcome, Exception) else outcome
            for name, outcome in zip(stores, outcomes, strict=True)
        }

    async def _round_trip(self, store: Facade, within: float) -> tuple[Exception | None, float]:
        began = self._runtime.now()
        failed: Exception | None = None
        try:
            async with asyncio.timeout(within):
                await store.check()
        except Exception as error:  # whatever it is, the store cannot serve
            failed = error
        return failed, self._runtime.now() - began


def _layer(store: Facade, kind: Any) -> Any:
    """Return the layer that does what *kind* asks: its class need not be loaded for that."""
    return store.bound.layer(kind)


def _status(store: Facade, error: Exception | None, seconds: float) -> DomainStatus:
    cache = cache_of(store)
    return {
        "backend": store.bound.backend,
        "healthy": error is None,
        "error": None if error is None else f"{type(error).__name__}: {error}".rstrip(": "),
        "seconds": seconds,
        "breaker": _told(_layer(store, _Breaker), "status"),
        "cache": None if cache is None else plain(cache.stats()),
        "metrics": _told(_layer(store, _Metrics), "summary"),
    }


def _told(layer: object, method: str) -> dict[str, Any] | None:
    if layer is None:
        return None
    told: Any = getattr(layer, method)()
    if not isinstance(told, dict):
        told = dataclasses.asdict(told)
    plain = cast("dict[str, Any]", told)
    return {name: one.value if isinstance(one, Enum) else one for name, one in plain.items()}
