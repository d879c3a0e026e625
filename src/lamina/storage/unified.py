"""What a bot holds: one object over four stores."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import TYPE_CHECKING, Any, Final, Self, final

from lamina.errors import StackError, StorageError, Unavailable
from lamina.options import check_whole
from lamina.runtime import Runtime
from lamina.storage.caches import CACHE_BYTES, Caches
from lamina.storage.context import ContextSearch
from lamina.storage.documents import DocumentStore
from lamina.storage.domains import DOMAINS, outcome_of
from lamina.storage.health import Health
from lamina.storage.media import MediaStore

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import TracebackType

    from lamina.domains.documents import Documents
    from lamina.domains.keyvalue import KeyValue
    from lamina.domains.media import Media
    from lamina.domains.store import Facade
    from lamina.domains.vectors import Vectors
    from lamina.plan import Plan
    from lamina.storage.reopening import Reopening

_log: Final = logging.getLogger("lamina.storage")


@final
class UnifiedStorage(ContextSearch, DocumentStore, MediaStore, Health, Caches):
    """Conversations, documents, search and files over four stores, each behind its own stack.

    As a context manager it connects all four at once, each within *connect_timeout* seconds, and
    closes them. A store that is down and among *reopens* (``lamina.open`` puts all there) is
    logged and told by ``down``: its calls fail, which its layers see, until it can be opened. If
    it is *required*, or its settings or credentials are wrong, nothing is left open and the
    error comes out. Stores *beside* the four, which layers of theirs use, are opened with them,
    and closed after them.

    With *index_messages* what the assistant says is indexed too, in a namespace of its chat. The
    caches of all its stores hold *cache_bytes* together, each no more than its own bound.
    What it returns is the caller's own. None (False) means absent, every failure raises.
    """

    def __init__(
        self,
        *,
        keyvalue: KeyValue,
        vectors: Vectors,
        documents: Documents,
        media: Media,
        required: Collection[str] = (),
        reopens: Mapping[str, Reopening[Any]] | None = None,
        beside: Mapping[str, Facade] | None = None,
        connect_timeout: float = 10.0,
        index_messages: bool = False,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        unknown = sorted(set(required) - set(DOMAINS))
        if unknown:
            msg = f"required names domains ({', '.join(DOMAINS)}), got {', '.join(unknown)}"
            raise StackError(msg)
        self.keyvalue = keyvalue
        self.vectors = vectors
        self.documents = documents
        self.media = media
        self.beside = dict(beside or {})
        self.required = frozenset(required)
        self.connect_timeout = connect_timeout
        self.index_messages = index_messages
        self.cache_bytes = cache_bytes
        check_whole(self, "cache_bytes", least=1)
        self._runtime = Runtime()
        self._reopens = dict(reopens or {})
        self._tenant = ""
        self._closed: asyncio.Event | None = None
        self._share_memory(cache_bytes)

    @classmethod
    def in_memory(cls, *, index_messages: bool = False) -> Self:
        """Make a storage in this process, which needs no settings, and works unopened too."""
        from lamina.backends.memory import (
            MemoryDocuments,
            MemoryKeyValue,
            MemoryMedia,
            MemoryVectors,
        )
        from lamina.stack import Stack

        plain = Stack()
        return cls(
            keyvalue=plain.over(MemoryKeyValue()),
            vectors=plain.over(MemoryVectors()),
            documents=plain.over(MemoryDocuments()),
            media=plain.over(MemoryMedia()),
            index_messages=index_messages,
        )

    @property
    def down(self) -> Mapping[str, StorageError]:
        """The domains that could not be opened so far, each with its last error."""
        backends = self._reopens.items()
        return {name: backend.error for name, backend in backends if backend.error is not None}

    def tenant(self, name: str) -> UnifiedStorage:
        """Return this storage confined to one tenant; it opens and closes with this one.

        Raises:
            StackError: This one is confined already.
            Invalid: *name* cannot be a key.
        """
        if self._tenant:
            msg = "a tenant's storage is confined already"
            raise StackError(msg)
        made = copy.copy(self)
        for domain, store in self.stores().items():
            setattr(made, domain, store.scoped(name))
        made._tenant = name  # noqa: SLF001  # of its own class
        return made

    def plan(self) -> dict[str, Plan]:
        """Describe the four stacks by domain, and those beside them."""
        return {name: store.bound.plan() for name, store in self._all().items()}

    async def open(self) -> Self:
        """Connect the four stores and return the storage itself.

        Raises:
            StorageError: A required one is down, or settings or credentials are wrong.
            Closed: It was closed before.
        """
        self._refuse_tenant()
        tasks = [
            self._runtime.spawn(self._connect(name, store), f"open {name}")
            for name, store in self._all().items()
        ]
        opened = False
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task in done and isinstance(error := outcome_of(task), Exception):
                    raise error
            opened = True
        finally:
            if not opened:
                await self._give_up(tasks)
        return self

    async def close(self) -> None:
        """Refuse new calls, wait for those in flight, close all four; the first error comes out.

        Closing again waits for that.
        """
        self._refuse_tenant()
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = asyncio.Event()
        try:
            await self._runtime.drain()
        finally:
            try:
                await self._close_stores(self.stores())
            finally:
                try:
                    await self._close_stores(self.beside)
                finally:
                    self._closed.set()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        stores = ", ".join(f"{name}={s.bound.backend}" for name, s in self.stores().items())
        return f"UnifiedStorage({stores})"

    async def _connect(self, name: str, store: Facade) -> None:
        """Open one store, or note that it is down where that can be lived with."""
        try:
            async with asyncio.timeout(self.connect_timeout):
                await store.bound.open()
        except StorageError as error:
            if not error.transient or name in self.required or name not in self._reopens:
                error.add_note(f"while opening {name}")
                raise
            _log.warning("%s (%s) is down: %s", name, store.bound.backend, error)
        except TimeoutError as error:
            msg = f"{name} is not connected within {self.connect_timeout:g} s"
            if name in self.required or name not in self._reopens:
                raise Unavailable(msg, backend=store.bound.backend, sent="no") from error
            _log.warning("%s (%s) is down: %s", name, store.bound.backend, msg)

    async def _give_up(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        try:
            await self.close()
        except Exception as error:  # what made it give up matters more
            _log.warning("closing failed: %s", type(error).__name__)

    async def _close_stores(self, stores: Mapping[str, Facade]) -> None:
        if not stores:
            return
        tasks = [
            self._runtime.spawn(store.close(), f"close {name}") for name, store in stores.items()
        ]
        try:
            await asyncio.wait(tasks)
        finally:
            await self._runtime.stop()  # cancelled, each closes without waiting for others
        errors = [error for task in tasks if (error := outcome_of(task)) is not None]
        for error in errors[1:]:
            errors[0].add_note(f"and closing failed once more: {error}")
        if errors:
            raise errors[0]

    def _all(self) -> dict[str, Facade]:
        return {**self.stores(), **self.beside}

    def _refuse_tenant(self) -> None:
        if self._tenant:
            msg = "a tenant's storage is opened and closed by the one that it came from"
            raise StackError(msg)
