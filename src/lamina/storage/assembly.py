"""Make a unified storage of settings, and open it."""

from __future__ import annotations

import asyncio
import copy
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from lamina.stack import Stack
from lamina.storage.caches import CACHE_BYTES
from lamina.storage.reopening import Reopening
from lamina.storage.unified import UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from lamina.backend import Backend
    from lamina.config import Section, Settings
    from lamina.domains.store import Facade
    from lamina.layer import Layer


@asynccontextmanager
async def open(  # noqa: A001  # lamina.open is the name
    path: str | Path | None = None,
    *,
    preset: str | None = None,
    environ: Mapping[str, str] | None = None,
    home: str | Path | None = None,
    **overrides: object,
) -> AsyncGenerator[UnifiedStorage, None]:
    """Read the settings, connect all four stores and give the storage; close it at the end.

    The settings are those of *preset* (default: ``embedded``, which needs nothing), of the file
    at *path* (default: ``$LAMINA_CONFIG``, else ``lamina.toml`` here if there is one), of the
    environment, and *overrides* such as ``documents={"backend": "memory"}``; the later wins.
    Data is kept in *home*, else ``$LAMINA_HOME``, ``$XDG_DATA_HOME/lamina`` or
    ``~/.local/share/lamina``. *environ* stands for the process's environment.

    Raises:
        StackError: A setting is wrong or missing; one message names them all.
        StorageError: Credentials are wrong, or a required store is down.
    """
    from lamina.config import load

    settings = await asyncio.to_thread(
        load, path, preset=preset, environ=environ, home=home, overrides=overrides
    )
    async with assemble(settings) as storage:
        yield storage


def assemble(settings: Settings) -> UnifiedStorage:
    """Return the storage that *settings* describe, not yet opened."""
    builder = _Builder(settings.connect_timeout)
    stores: dict[str, Any] = {
        name: builder.store(name, section) for name, section in settings.sections.items()
    }
    return UnifiedStorage(
        **stores,
        beside=builder.beside,
        reopens=builder.reopens,
        required=[name for name, section in settings.sections.items() if section.required],
        connect_timeout=settings.connect_timeout,
        index_messages=settings.index_messages,
        cache_bytes=CACHE_BYTES if settings.cache_bytes is None else settings.cache_bytes,
    )


class _Builder:
    """Builds stores, and beside them those that their layers use, named as in a file."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.beside: dict[str, Facade] = {}
        self.reopens: dict[str, Reopening[Any]] = {}

    def store(self, name: str, section: Section) -> Facade:
        """Build one store; each layer that was given a description gets what it describes."""
        layers = [self._layer(name, layer) for layer in section.stack.layers]
        backend: Backend[Any] = section.make()
        if backend.needs_open:
            backend = self.reopens[name] = Reopening(section.make, patience=self._patience)
        made: Facade = Stack(*layers, allow=section.stack.allow).over(backend)
        return made

    def _layer(self, name: str, layer: Layer) -> Layer:
        from lamina.config.settings import Elsewhere

        made: Any = layer
        for option, told in layer.options().items():
            if isinstance(told, Elsewhere):
                place = f"{name}.{layer.slot}.{option}"
                self.beside[place] = other = self.store(place, told.section)
                made = copy.copy(made)
                setattr(made, option, other if told.bytes else other.bound)
        return cast("Layer", made)
