"""Look at what the bot needs, and say what is broken and how to mend it."""

from __future__ import annotations

import asyncio
import json
import platform
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal, final

from lamina.bot.chat.shown import failure
from lamina.bot.remedies import remedy
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.domains.store import Facade
    from lamina.storage import UnifiedStorage

_EXTRAS: Final = {
    "local-embeddings": ("tokenizers", "wordllama"),
    "ann": ("usearch",),
    "redis": ("redis",),
    "upstash": ("upstash-vector",),
    "supabase": ("supabase",),
    "s3": ("aioboto3",),
    "postgres": ("asyncpg",),
    "bot": ("httpx", "pypdf", "rich"),
}


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; *fix* says what to do unless it is ok."""

    name: str
    state: Literal["ok", "note", "broken"]
    told: str
    fix: str = ""


async def examine(
    config: str | None = None, *, preset: str | None = None, home: str | None = None
) -> list[Check]:
    """Look at versions, settings, data home, embedder, backends, model and extras."""
    checks = [_versions()]
    try:
        storage, where = _assembled(config, preset, home)
    except (LaminaError, OSError) as error:
        fix = "correct the setting, or try --preset embedded"
        checks.append(Check("settings", "broken", failure(error), fix))
    else:
        backends = ", ".join(
            f"{name} on {one.bound.backend}" for name, one in storage.stores().items()
        )
        checks.append(Check("settings", "ok", backends))
        checks.append(_home(where))
        checks.extend(await _opened(storage))
    return [*checks, _model(), *_extras()]


def table(checks: Sequence[Check]) -> str:
    """Return the checks as lines for a person."""
    width = max(len(check.name) for check in checks)
    lines: list[str] = []
    for check in checks:
        state = "BROKEN" if check.state == "broken" else check.state
        lines.append(f"{state:7} {check.name:{width}}  {check.told}")
        if check.fix:
            lines.append(f"{'':7} {'':{width}}  -> {check.fix}")
    return "\n".join(lines)


def to_json(checks: Sequence[Check]) -> str:
    """Return the checks as JSON, with whether all is well."""
    ok = all(check.state != "broken" for check in checks)
    return json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}, indent=2)


def _versions() -> Check:
    import sqlite3

    import lamina

    told = f"lamina {lamina.__version__}, Python {platform.python_version()}"
    return Check("versions", "ok", f"{told}, SQLite {sqlite3.sqlite_version}")


def _assembled(
    config: str | None, preset: str | None, home: str | None
) -> tuple[UnifiedStorage, Path]:
    from lamina.config import load
    from lamina.storage import assemble

    settings: Any = load(config, preset=preset, home=home)
    return assemble(settings), Path(settings.home)


def _home(home: Path) -> Check:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"lamina")
            file.flush()
    except OSError as error:
        fix = "choose a folder you may write to with --home or LAMINA_HOME, or make room"
        return Check("data home", "broken", f"{home}: {failure(error)}", fix)
    return Check("data home", "ok", str(home))


async def _opened(storage: UnifiedStorage) -> list[Check]:
    """Open and ask each store by itself: one that is broken hides nothing about the others."""
    within = storage.connect_timeout
    try:
        stores = {**storage.stores(), **storage.beside}
        asked = (_round_trip(name, store, within) for name, store in stores.items())
        checks = await asyncio.gather(*asked)
        serves = any(check.name == "vectors" and check.state == "ok" for check in checks)
        unknown = Check("embedder", "note", "not known", "see vectors above")
        return [*checks, await _embedder(storage) if serves else unknown]
    finally:
        await storage.close()


async def _round_trip(name: str, store: Facade, within: float) -> Check:
    backend = store.bound.backend
    try:
        async with asyncio.timeout(within):
            await store.open()
            began = perf_counter()
            await store.check()
    except TimeoutError as error:
        told = failure(error) if isinstance(error, LaminaError) else f"no answer in {within:g} s"
        return Check(name, "broken", f"{backend}: {told}", remedy(name, backend, error))
    except Exception as error:  # whatever it is, this store cannot serve
        told = failure(error).removeprefix(f"{backend}: ")
        return Check(name, "broken", f"{backend}: {told}", remedy(name, backend, error))
    return Check(name, "ok", f"{backend} answered in {1000 * (perf_counter() - began):.1f} ms")


async def _embedder(storage: UnifiedStorage) -> Check:
    try:
        name = (await storage.vectors.info()).embedder
    except LaminaError as error:
        return Check("embedder", "note", f"not known: {failure(error)}", "see vectors above")
    if not name:
        fix = "use an index with an embedding model, or another backend"
        return Check("embedder", "note", "none: texts cannot be searched", fix)
    if name.startswith("lexical"):
        told = f"{name}: finds shared spellings only, not meaning"
        return Check("embedder", "note", told, "pip install 'lamina[local-embeddings]'")
    return Check("embedder", "ok", name)


def _model() -> Check:
    from lamina.bot.answer.model import Model

    try:
        model = Model.configured()
    except LaminaError as error:
        return Check("model", "broken", failure(error), "correct or unset it")
    if model is None:
        told = "none: answers are quoted from your files"
        return Check("model", "ok", told)
    told = f"{model.name}, {'with' if model.key else 'without'} a key, not called now"
    return Check("model", "ok", told)


def _extras() -> list[Check]:
    checks: list[Check] = []
    for extra, packages in _EXTRAS.items():
        found = {package: _version(package) for package in packages}
        missing = [package for package, got in found.items() if got is None]
        told = ", ".join(f"{package} {got or 'missing'}" for package, got in found.items())
        fix = f"pip install 'lamina[{extra}]'" if missing else ""
        state: Literal["ok", "note"] = "note" if missing else "ok"
        checks.append(Check(f"[{extra}]", state, told, fix))
    return checks


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
