"""A file or the environment declares the store that a cache keeps its second tier in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.config import Settings, load
from lamina.config.registry import LAYERS, others
from lamina.config.settings import Elsewhere
from lamina.domains.keyvalue import KeyValue
from lamina.errors import Closed, StackError
from lamina.layers.cache import Cache
from lamina.layers.seal.keys import new_key
from lamina.layers.timeout import Timeout
from lamina.storage import assemble

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
preset = "test"

[documents.cache]
ttl = 30
l2_ttl = 600
l2_namespace = "bot"

[documents.cache.l2]
backend = "sqlite"
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "lamina.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ=environ or {}, home=tmp_path / "home")


def wrong(tmp_path: Path, text: str) -> str:
    with pytest.raises(StackError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def cache_in(settings: Settings) -> Cache:
    found = (one for one in settings.sections["documents"].stack.layers if one.slot == "cache")
    cache = next(found)
    assert isinstance(cache, Cache)
    return cache


def test_a_table_gives_the_cache_its_second_tier(tmp_path: Path) -> None:
    cache = cache_in(read(tmp_path, FILE))

    assert (cache.ttl, cache.l2_ttl, cache.l2_namespace) == (30, 600, "bot")
    assert isinstance(cache.l2, Elsewhere)
    assert cache.l2.section.domain == "keyvalue"
    assert cache.l2.section.stack.layers == (Timeout(10.0),)  # the domain's
    assert repr(cache.l2) == "<Timeout(10.0) over sqlite>"
    made: Any = cache.l2.section.make()
    assert made._database.path == tmp_path / "home" / "documents" / "cache" / "keyvalue.db"
    assert list((tmp_path / "home").glob("**/*")) == []


def test_the_environment_declares_it_too() -> None:
    environ = {
        "LAMINA_DOCUMENTS__CACHE__L2__BACKEND": "memory",
        "LAMINA_DOCUMENTS__CACHE__L2_NAMESPACE": "bot",
    }

    cache = cache_in(load(preset="test", environ=environ))

    assert isinstance(cache.l2, Elsewhere)
    assert cache.l2.backend == "memory"


def test_without_a_table_there_is_none(tmp_path: Path) -> None:
    assert cache_in(read(tmp_path, 'preset = "test"\n[documents.cache]\nttl = 3')).l2 is None


def test_it_is_a_store_of_bytes_whatever_the_domain(tmp_path: Path) -> None:
    text = 'preset = "test"\n[documents.cache.l2]\nbackend = "supabase"'

    told = wrong(tmp_path, text)

    assert "documents.cache.l2.backend" in told
    assert "supabase" in told
    assert "redis" in told


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[documents.cache]\nl2 = 3", "documents.cache.l2: must be a table that names"),
        ("[documents.cache.l2]\nlayers = []", "documents.cache.l2.backend: missing"),
        ('[documents.cache.l2]\nbackend = "memory"\npath = 3', "documents.cache.l2.path"),
        ("[documents.cache]\nl2_timeout = 0", "l2_timeout must be a finite number above 0"),
    ],
    ids=["number", "nameless", "option", "range"],
)
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, text: str, part: str) -> None:
    assert part in wrong(tmp_path, f'preset = "test"\n{text}')


def test_e14_a_plain_one_beside_a_seal_is_refused(tmp_path: Path) -> None:
    seal = f'keys = "{new_key()}"\n'
    text = f"{FILE}[documents.seal]\n{seal}"

    assert "E14: Cache(" in wrong(tmp_path, text)
    read(tmp_path, f"{text}[documents.cache.l2.seal]\n{seal}")


async def test_it_is_opened_beside_the_stores_and_closed_after_them(tmp_path: Path) -> None:
    storage = assemble(read(tmp_path, FILE))
    l2 = storage.beside["documents.cache.l2"]
    assert isinstance(l2, KeyValue)

    async with storage:
        await storage.documents.set("a", "text")
        await storage.documents.get("a")
        assert [key async for key in l2.scan()]
        layer = storage.documents.bound.layer(Cache)
        assert layer is not None
        assert layer.l2 is l2
        second = layer.stats().second
        assert second is not None
        assert (second.failed, second.misses) == (0, 1)

    with pytest.raises(Closed):
        await l2.get("a")


async def test_what_is_only_described_answers_nothing(tmp_path: Path) -> None:
    described: Any = cache_in(read(tmp_path, FILE)).l2
    for work in (
        described.get_many(["a"], fresh=True),
        described.set_many({"a": b""}, ttl=1.0),
        described.compare_and_set("a", None, b""),
    ):
        with pytest.raises(Closed, match="sqlite is described and not yet built"):
            await work


def test_layers_that_take_another_store_say_so() -> None:
    told = {name: sorted(others(name)) for name in LAYERS if others(name)}

    assert told == {"cache": ["l2"], "fallback": ["to"], "shadow": ["to"]}
    assert others("cache")["l2"].bytes
    assert not others("cache")["l2"].needed
    assert others("fallback")["to"].needed
