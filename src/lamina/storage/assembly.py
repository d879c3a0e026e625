"""Make a unified storage of settings, and open it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from lamina.storage.reopening import Reopening
from lamina.storage.unified import UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from lamina.backend import Backend
    from lamina.config import Settings


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
    stores: dict[str, Any] = {}
    reopens: dict[str, Reopening[Any]] = {}
    for name, section in settings.sections.items():
        backend: Backend[Any] = section.make()
        if backend.needs_open:
            backend = reopens[name] = Reopening(section.make, patience=settings.connect_timeout)
        stores[name] = section.stack.over(backend)
    return UnifiedStorage(
        **stores,
        reopens=reopens,
        required=[name for name, section in settings.sections.items() if section.required],
        connect_timeout=settings.connect_timeout,
        index_messages=settings.index_messages,
    )
