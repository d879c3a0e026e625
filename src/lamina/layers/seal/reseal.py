"""Write what is stored anew, so that an old key may be dropped."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, final

from lamina.domains.documents import Documents
from lamina.domains.keyvalue import GetStamped, KeyValue
from lamina.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from lamina.domains.documents import Document
    from lamina.domains.media import Info, Media

T = TypeVar("T")
_SHORTEST: Final = 0.001  # seconds that are left to a key whose time ran out just now


async def reseal(store: KeyValue | Documents | Media) -> int:
    """Seal everything in *store* with the key that seals now; return how much was written.

    Give every process the new key first. Each is written under a condition: what others write
    meanwhile is theirs, sealed with the new key, and not counted. Times to live stay; documents
    get another version, objects another etag. Do it for each ``scoped`` store too. When it is
    cancelled or fails, it is begun again.

    Raises:
        Corrupt: Something cannot be opened; see the error for what.
        Unsupported: The backend knows no such conditions.
    """
    if isinstance(store, KeyValue):
        return await _each(store.scan(), partial(_value, store))
    if isinstance(store, Documents):
        return await _each(store.scan(), partial(_document, store))
    return await _each(store.scan(), partial(_object, store))


async def _each(found: AsyncIterator[T], write: Callable[[T], Awaitable[bool]]) -> int:
    written = 0
    try:
        async for item in found:
            written += await write(item)
    finally:
        if isinstance(found, AsyncGenerator):
            await found.aclose()
    return written


async def _value(store: KeyValue, key: str) -> bool:
    told = await store.bound.send(GetStamped(key, fresh=True, scope=store.scope))
    if told.value is None:
        return False
    ttl = None
    if told.expires_at is not None:
        ttl = max(told.expires_at - store.bound.runtime.wall(), _SHORTEST)
    try:
        await store.compare_and_set(key, told.value, told.value, ttl=ttl)
    except Conflict:
        return False
    return True


async def _document(store: Documents, found: Document) -> bool:
    try:
        version = await store.update(
            found.id, content=found.content, expected_version=found.version
        )
    except Conflict:
        return False
    return version is not None


async def _object(store: Media, info: Info) -> bool:
    try:
        await store.set(
            info.key,
            _Version(store, info),
            type=info.type,
            metadata=info.metadata,
            if_etag=info.etag,
        )
    except Conflict:
        return False
    return True


@final
class _Version:
    """One version of an object as a source."""

    def __init__(self, store: Media, info: Info) -> None:
        self._store = store
        self._info = info

    async def read(self, start: int, length: int) -> bytes:
        data = await self._store.range(self._info.key, start, length, etag=self._info.etag)
        if data is None:
            msg = "the object was deleted"
            raise Conflict(msg)
        return data
