"""A file or the environment declares the other store that Fallback or Shadow uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backends.memory import MemoryKeyValue
from lamina.bot.doctor import examine
from lamina.cli import main
from lamina.config import Settings, load
from lamina.config.registry import BACKENDS, Row
from lamina.config.settings import Elsewhere
from lamina.domains.keyvalue import Set
from lamina.errors import Closed, StackError, Unavailable
from lamina.layers.fallback import Fallback
from lamina.layers.retry import Retry
from lamina.layers.shadow import Shadow
from lamina.layers.timeout import Timeout
from lamina.storage import assemble
from lamina.testing.scripted import ScriptedKeyValue

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer import Layer

FILE = """
preset = "test"

[keyvalue.fallback]
reserve = 0.4

[keyvalue.fallback.to]
backend = "sqlite"
layers = ["retry", "timeout"]

[keyvalue.fallback.to.timeout]
seconds = 2
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "lamina.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ=environ or {}, home=tmp_path / "home")


def wrong(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(StackError) as caught:
        read(tmp_path, text, environ)
    return str(caught.value)


def layers_of(settings: Settings, domain: str = "keyvalue") -> tuple[Layer, ...]:
    return settings.sections[domain].stack.layers


def other_of(settings: Settings, kind: type[Any] = Fallback) -> Elsewhere:
    layer = next(layer for layer in layers_of(settings) if isinstance(layer, kind))
    assert isinstance(layer.to, Elsewhere)
    return layer.to


def test_a_table_puts_the_layer_and_its_other_store_in_the_stack(tmp_path: Path) -> None:
    settings = read(tmp_path, FILE)

    slots = [layer.slot for layer in layers_of(settings)]
    layer = layers_of(settings)[slots.index("fallback")]
    assert slots.index("log") < slots.index("fallback") < slots.index("retry")
    assert isinstance(layer, Fallback)
    assert layer.reserve == 0.4
    assert other_of(settings).section.stack.layers == (Retry(), Timeout(2.0))
    assert repr(layer.to) == "<Retry(), Timeout(2.0) over sqlite>"
    assert list((tmp_path / "home").glob("**/*")) == []


def test_the_environment_declares_it_too() -> None:
    environ = {
        "LAMINA_KEYVALUE__SHADOW__RATE": "0.5",
        "LAMINA_KEYVALUE__SHADOW__TO__BACKEND": "memory",
    }

    settings = load(preset="test", environ=environ)

    shadow = next(layer for layer in layers_of(settings) if isinstance(layer, Shadow))
    assert (shadow.rate, shadow.to.backend) == (0.5, "memory")


def test_without_layers_the_other_store_has_the_domain_s_timeout(tmp_path: Path) -> None:
    settings = read(tmp_path, 'preset = "test"\n[keyvalue.fallback.to]\nbackend = "memory"')

    assert other_of(settings).section.stack.layers == (Timeout(10.0),)


def test_an_other_store_may_have_one_of_its_own(tmp_path: Path) -> None:
    text = (
        'preset = "test"\n[keyvalue.fallback.to]\nbackend = "sqlite"\n'
        '[keyvalue.fallback.to.fallback.to]\nbackend = "sqlite"'
    )

    settings = read(tmp_path, text)

    storage = assemble(settings)
    assert list(storage.beside) == ["keyvalue.fallback.to.fallback.to", "keyvalue.fallback.to"]
    inner: Any = other_of(settings).section.stack.layers[0]
    made: Any = other_of(settings).section.make()
    last: Any = inner.to.section.make()
    home = tmp_path / "home"
    assert made._database.path == home / "fallback" / "keyvalue.db"  # not the first one's
    assert last._database.path == home / "fallback" / "fallback" / "keyvalue.db"


async def test_is_opened_closed_and_used_with_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ScriptedKeyValue] = []

    def broken() -> ScriptedKeyValue:
        backend = ScriptedKeyValue()
        for op in backend.capabilities():
            backend.expect(op).raises(Unavailable("down", sent="no")).always()
        made.append(backend)
        return backend

    monkeypatch.setattr(Row, "load", _loads({"memory": broken}))
    settings = read(tmp_path, FILE + "\n[keyvalue.retry]\nattempts = 1\n")

    async with assemble(settings) as storage:
        other = storage.beside["keyvalue.fallback.to"]
        await other.bound.send(Set("a", b"1"))
        async with lamina.call() as call:
            assert await storage.keyvalue.get("a") == b"1"
        assert list(call.served_by.values()) == ["sqlite"]
        assert list(storage.plan())[4:] == ["keyvalue.fallback.to"]

    assert made[-1].closed == 1
    with pytest.raises(Closed):
        await other.bound.send(Set("a", b"1"))


async def test_two_storages_of_the_same_settings_share_nothing(tmp_path: Path) -> None:
    settings = read(tmp_path, 'preset = "test"\n[keyvalue.fallback.to]\nbackend = "memory"')

    async with assemble(settings) as first:
        await first.beside["keyvalue.fallback.to"].bound.send(Set("a", b"1"))
    async with assemble(settings) as second:
        other: Any = second.beside["keyvalue.fallback.to"]
        assert await other.get("a") is None


async def test_one_that_is_down_does_not_stop_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down(MemoryKeyValue):
        needs_open = True

        async def open(self) -> None:
            msg = "refused"
            raise Unavailable(msg, sent="no")

    row = Row("", BACKENDS["keyvalue"]["memory"].options)
    monkeypatch.setitem(BACKENDS["keyvalue"], "down", row)
    monkeypatch.setattr(Row, "load", _loads({"": Down}))
    settings = read(tmp_path, 'preset = "test"\n[keyvalue.fallback.to]\nbackend = "down"')

    async with assemble(settings) as storage:
        await storage.keyvalue.set("a", b"1")
        assert await storage.keyvalue.get("a") == b"1"
        assert list(storage.down) == ["keyvalue.fallback.to"]


def _loads(instead: dict[str, Any]) -> Any:
    original = Row.load

    def load_row(row: Row) -> Any:
        name = "memory" if row is BACKENDS["keyvalue"]["memory"] else row.place
        return instead.get(name) or original(row)

    return load_row


async def test_the_doctor_looks_at_it(tmp_path: Path) -> None:
    (tmp_path / "lamina.toml").write_text(FILE)

    checks = {check.name: check for check in await examine("lamina.toml", home=str(tmp_path))}

    assert checks["keyvalue.fallback.to"].state == "ok"
    assert checks["keyvalue.fallback.to"].told.startswith("sqlite answered")


def test_the_plan_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lamina.toml").write_text(FILE)

    assert main(["plan", "--json", "--config", "lamina.toml", "--home", str(tmp_path)]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["keyvalue.fallback.to"]["backend"] == "sqlite"
    layers = [layer["layer"] for layer in told["keyvalue"]["layers"]]
    assert "Fallback(<Retry(), Timeout(2.0) over sqlite>, reserve=0.4)" in layers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[media.fallback]\nreserve = 0.5",
            (
                "lamina.toml: media.fallback.to: must be a table that names the other store: "
                "[media.fallback.to] backend = ..."
            ),
        ),
        ("[media]\nlayers = ['shadow']", "media.shadow.to: must be a table"),
        ("[media.fallback]\nto = 'supabase'", "media.fallback.to: must be a table"),
        (
            "[media.fallback.to]\nbackend = 'supabas'",
            (
                "media.fallback.to.backend: no backend 'supabas' in this version; did you mean "
                "'supabase'?"
            ),
        ),
        (
            "[media.fallback.to]\nlayers = []",
            "media.fallback.to.backend: missing, it names the other store; known: files, memory",
        ),
        (
            "[media.fallback.to]\nbackend = 'memory'\nrequired = true",
            "media.fallback.to.required: unknown name 'required'",
        ),
        (
            "[media.fallback.to]\nbackend = 'files'\nrot = 'x'",
            "media.fallback.to.rot: unknown name 'rot'; did you mean 'root'?",
        ),
        (
            "[media.fallback.to]\nbackend = 'memory'\n[media.fallback.to.retry]\nattempts = 0",
            "media.fallback.to.retry: Retry: attempts must be a whole number from 1",
        ),
        (
            "[media.fallback]\nreserv = 0.5\n[media.fallback.to]\nbackend = 'memory'",
            "media.fallback.reserv: unknown name 'reserv'; did you mean 'reserve'?",
        ),
        (
            "[media.fallback]\nreserve = 1.5\n[media.fallback.to]\nbackend = 'memory'",
            "media.fallback: Fallback: reserve must be",
        ),
        (
            "[media.fallback]\nwrites = true\n[media.fallback.to]\nbackend = 'memory'",
            "media.fallback: Fallback: writes needs on_fallback",
        ),
        (
            "[media.timeout.to]\nbackend = 'memory'",
            "media.timeout.to: unknown name 'to'",
        ),
    ],
    ids=[
        *("no to", "no table", "text", "nearest", "no backend", "required", "option", "layer"),
        *("own option", "own range", "writes", "another layer"),
    ],
)
def test_says_what_is_wrong_with_it(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in wrong(tmp_path, text)


def test_what_it_lacks_is_in_the_one_message(tmp_path: Path) -> None:
    text = (
        'preset = "test"\n[keyvalue]\nbackend = "redis"\nurl = "${REDIS_URL}"\n'
        '[media.fallback.to]\nbackend = "supabase"\nurl = "${SUPABASE_URL}"\n'
        'key = "${SUPABASE_KEY}"\nbucket = "files"\n'
    )

    said = wrong(tmp_path, text)

    assert "3 settings are wrong or missing" in said
    assert "keyvalue.url: missing, set REDIS_URL; without it keyvalue has no redis" in said
    name = "media.fallback.to"
    assert f"{name}.url: missing, set SUPABASE_URL; without it {name} has no supabase" in said
    assert f"{name}.key: missing, set SUPABASE_KEY; without it {name} has no supabase" in said


def test_a_described_store_answers_nothing(tmp_path: Path) -> None:
    other = other_of(read(tmp_path, FILE))

    with pytest.raises(Closed, match="sqlite is described and not yet built"):
        other.send(Set("a", b"1")).send(None)


async def test_readonly_is_a_name_in_a_list(tmp_path: Path) -> None:
    settings = read(tmp_path, 'preset = "test"\n[keyvalue]\nlayers = ["readonly"]')

    async with assemble(settings) as storage:
        with pytest.raises(lamina.Unsupported, match="ReadOnly"):
            await storage.keyvalue.set("a", b"1")
