from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import lamina
from lamina.backends.memory import MemoryKeyValue
from lamina.config import Settings, load
from lamina.config.registry import BACKENDS, LAYERS, layer, layer_options
from lamina.embed import Embedder
from lamina.errors import StackError
from lamina.index.dense import Metric
from lamina.index.kinds import Kind
from lamina.layers.cache import Cache
from lamina.layers.timeout import Timeout


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **more: Any) -> Settings:
    file = tmp_path / "lamina.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ=environ or {}, home=tmp_path / "home", **more)


def of(settings: Settings, domain: str, kind: type[Any]) -> Any:
    return next((x for x in settings.sections[domain].stack.layers if isinstance(x, kind)), None)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_needs_nothing(tmp_path: Path) -> None:
    settings = load(environ={}, home=tmp_path)

    assert settings.preset == "embedded"
    backends = {name: section.backend for name, section in settings.sections.items()}
    assert backends == {
        "keyvalue": "sqlite",
        "vectors": "sqlite",
        "documents": "sqlite",
        "media": "files",
    }
    assert not any(section.required for section in settings.sections.values())
    assert of(settings, "keyvalue", Cache) is None  # another process may write conversations
    assert list(tmp_path.iterdir()) == []


def test_another_backend_needs_nothing_of_the_presets() -> None:
    memory = {"backend": "memory"}
    domains = ("keyvalue", "vectors", "documents", "media")

    settings = load(preset="production", environ={}, overrides=dict.fromkeys(domains, memory))

    assert {section.backend for section in settings.sections.values()} == {"memory"}
    assert of(settings, "keyvalue", Timeout) == Timeout(1.0)


def test_test_preset_is_in_memory() -> None:
    settings = load(preset="test", environ={})

    assert {section.backend for section in settings.sections.values()} == {"memory"}


def test_environment_beats_file_beats_preset(tmp_path: Path) -> None:
    text = "[vectors.cache]\nttl = 20\nmax_entries = 7\n[vectors.timeout]\nseconds = 2\n"

    settings = read(tmp_path, text, {"LAMINA_VECTORS__CACHE__TTL": "10"})

    cache = of(settings, "vectors", Cache)
    assert (cache.ttl, cache.max_entries, cache.jitter) == (10.0, 7, 0.2)
    assert of(settings, "vectors", Timeout) == Timeout(2.0)
    assert of(settings, "keyvalue", Timeout) == Timeout(10.0)
    assert settings.sources == (
        "preset embedded",
        str(tmp_path / "lamina.toml"),
        "environment",
    )


def test_overrides_beat_all(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "[keyvalue.timeout]\nseconds = 2",
        {"LAMINA_KEYVALUE__TIMEOUT__SECONDS": "3"},
        overrides={"keyvalue": {"timeout": {"seconds": 4}}, "connect_timeout": 1},
    )

    assert of(settings, "keyvalue", Timeout) == Timeout(4.0)
    assert settings.connect_timeout == 1.0


def test_a_layer_of_a_table_is_put_in_its_place(tmp_path: Path) -> None:
    settings = read(tmp_path, "[documents.cache]\nttl = 5")

    slots = [one.slot for one in settings.sections["documents"].stack.layers]
    assert slots == ["metrics", "log", "cache", "retry", "breaker", "timeout"]


def test_a_list_of_layers_is_the_stack(tmp_path: Path) -> None:
    settings = read(tmp_path, '[documents]\nlayers = ["cache", "timeout"]\ntimeout = {seconds = 1}')

    assert [one.slot for one in settings.sections["documents"].stack.layers] == ["cache", "timeout"]
    assert read(tmp_path, "[media]\nlayers = []").sections["media"].stack.layers == ()


def test_the_environment_names_layers_and_values_as_text() -> None:
    settings = load(
        preset="test",
        environ={
            "LAMINA_MEDIA__LAYERS": "retry, timeout",
            "LAMINA_MEDIA__RETRY__ATTEMPTS": "5",
            "LAMINA_MEDIA__RETRY__PATIENT": "true",
            "LAMINA_MEDIA__REQUIRED": "yes",
            "LAMINA_INDEX_MESSAGES": "1",
            "LAMINA_DOCUMENTS__CACHE__TTL": "",
            "OTHER": "x",
            "LAMINA_BOT": "x",
        },
    )

    retry = settings.sections["media"].stack.layers[0]
    assert (getattr(retry, "attempts", 0), getattr(retry, "patient", False)) == (5, True)
    assert settings.sections["media"].required
    assert settings.index_messages
    assert of(settings, "documents", Cache) is None


def test_variables_stand_in_for_values(tmp_path: Path) -> None:
    text = (
        'preset = "test"\n[keyvalue]\nbackend = "sqlite"\npath = "${DIR}/a$${x}.db"\n'
        '[keyvalue.timeout]\nseconds = "${SECONDS}"'
    )

    settings = read(tmp_path, text, {"DIR": str(tmp_path), "SECONDS": "1.5"})

    assert of(settings, "keyvalue", Timeout) == Timeout(1.5)
    assert settings.sections["keyvalue"].backend == "sqlite"


def test_preset_is_the_argument_else_the_environments_else_the_files(tmp_path: Path) -> None:
    text = 'preset = "test"'

    assert read(tmp_path, text).preset == "test"
    assert read(tmp_path, text, {"LAMINA_PRESET": "embedded"}).preset == "embedded"
    assert read(tmp_path, text, {"LAMINA_PRESET": "embedded"}, preset="test").preset == "test"


def test_the_file_is_the_one_named_else_the_variables_else_the_one_here(tmp_path: Path) -> None:
    here, named, variable = (tmp_path / n for n in ("lamina.toml", "a.toml", "b.toml"))
    for number, file in enumerate((here, named, variable), 1):
        file.write_text(f'preset = "test"\nconnect_timeout = {number}')
    environ = {"LAMINA_CONFIG": str(variable)}

    assert load(environ={}).connect_timeout == 1
    assert load(environ=environ).connect_timeout == 3
    assert load(named, environ=environ).connect_timeout == 2


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"LAMINA_HOME": "/l", "XDG_DATA_HOME": "/x", "HOME": "/h"}, "/l"),
        ({"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/lamina"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/lamina"),
        ({"XDG_DATA_HOME": "", "HOME": "/h"}, "/h/.local/share/lamina"),
    ],
)
def test_data_has_a_home(environ: dict[str, str], home: str) -> None:
    assert load(preset="test", environ=environ).home == Path(home)
    assert load(preset="test", environ=environ, home="/mine").home == Path("/mine")


def test_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "lamina.toml").write_bytes(b'\xef\xbb\xbfpreset = "test"')

    assert load(environ={}).preset == "test"


NEEDED: dict[str, dict[str, str]] = {
    "redis": {"url": "redis://127.0.0.1:1"},
    "postgres": {"url": "postgresql://127.0.0.1:1/x"},
    "upstash": {"url": "http://127.0.0.1:1", "token": "t"},
    "supabase": {"url": "http://127.0.0.1:1", "key": "k", "bucket": "bucket"},
    "s3": {"bucket": "bucket"},
}


def test_every_backend_of_the_registry_can_be_made(tmp_path: Path) -> None:
    for domain, rows in BACKENDS.items():
        for name, row in rows.items():
            known = {field.alias or key for key, field in row.options.model_fields.items()}
            needed = {k: v for k, v in NEEDED.get(name, {}).items() if k in known}
            made = row.load()(**row.options(**needed).arguments(tmp_path, domain))
            assert made.name == name
    assert list(tmp_path.iterdir()) == []


def test_every_layers_options_come_from_its_constructor() -> None:
    for name in LAYERS:
        assert getattr(layer(name), "slot", "") == name
    assert set(layer_options("timeout").model_fields) == {"seconds"}
    assert "ttl" in layer_options("cache").model_fields
    assert "listeners" not in layer_options("breaker").model_fields
    assert "logger" not in layer_options("log").model_fields
    assert "on_retry" not in layer_options("retry").model_fields


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("chaos", {"rate": 0.1, "after": 1, "latency": 0.5, "ops": ["Get"], "enabled": False}),
        ("hedge", {"delay": 0.1, "ops": ["Get", "Scan"], "quantile": None}),
        ("seal", {"keys": ["a", "b"]}),
    ],
)
def test_of_a_number_or_a_function_the_number_can_be_written(
    name: str, told: dict[str, Any]
) -> None:
    assert layer_options(name)(**told).model_dump(exclude_unset=True) == {
        key: tuple(value) if isinstance(value, list) and key == "ops" else value
        for key, value in told.items()
    }


async def test_open_gives_what_the_settings_say(tmp_path: Path) -> None:
    async with lamina.open(preset="test", environ={}, keyvalue={"required": True}) as storage:
        assert await storage.append_message("1", {"role": "user", "content": "a"}) == 1
        assert storage.required == {"keyvalue"}


async def test_embedded_data_outlives_the_process_that_wrote_it(tmp_path: Path) -> None:
    for expected in (1, 2):
        async with lamina.open(environ={}, home=tmp_path / "data") as storage:
            length = await storage.append_message("1", {"role": "user", "content": "a"})
            assert length == expected
            assert storage.down == {}


def test_nothing_heavy_is_imported_before_settings_are_read() -> None:
    code = (
        "import sys, lamina, lamina.storage; lamina.open, lamina.UnifiedStorage;"
        "print([m for m in ('pydantic', 'numpy', 'sqlite3', 'aiobreaker') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_new_backend_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = BACKENDS["keyvalue"]["memory"]
    monkeypatch.setitem(BACKENDS["keyvalue"], "mine", row)

    settings = load(preset="test", environ={"LAMINA_KEYVALUE__BACKEND": "mine"})

    assert isinstance(settings.sections["keyvalue"].make(), MemoryKeyValue)


def test_every_option_of_a_backend_is_one_of_its_constructor() -> None:
    known = {"Metric": Metric, "Kind": Kind, "Embedder": Embedder, "os": os, "Literal": Literal}
    for rows in BACKENDS.values():
        for row in rows.values():
            made: Any = row.load()
            names = set(inspect.signature(made).parameters)
            fields = {field.alias or n: field for n, field in row.options.model_fields.items()}
            assert set(fields) == names, made
            hints = get_type_hints(made.__init__, localns=known) if names else {}
            for name in names - {"embedder"}:  # the models name embedders, constructors take them
                told = fields[name].annotation
                assert literals(told) == literals(hints[name]), (made, name)


def literals(hint: Any) -> set[object]:
    """Return the values of all the literals within *hint*."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {value for part in get_args(hint) for value in literals(part)}


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_options_of_vectors_reach_their_backend(tmp_path: Path, backend: str) -> None:
    text = f'[vectors]\nbackend = "{backend}"\nmetric = "euclidean"\nkind = "hybrid"'

    made: Any = read(tmp_path, text).sections["vectors"].make()

    assert (made.metric, made.kind) == ("euclidean", "hybrid")


def test_approximate_search_is_an_option_of_sqlite(tmp_path: Path) -> None:
    made: Any = read(tmp_path, "[vectors]\nann = true").sections["vectors"].make()

    assert made.ann is True


def test_the_first_of_several_variables_that_is_set_counts(tmp_path: Path) -> None:
    text = "[keyvalue]\npath = '${DB|OTHER_DB}'\n[media]\nroot = '${ROOT|BASE?}'\n"
    path = tmp_path / "x.db"

    settings = read(tmp_path, text, {"OTHER_DB": str(path)})

    keyvalue: Any = settings.sections["keyvalue"].make()
    media: Any = settings.sections["media"].make()
    assert keyvalue._database.path == path
    assert media.root == tmp_path / "home" / "media"


def test_names_all_variables_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="missing, set DB or OTHER_DB; without it"):
        read(tmp_path, "[keyvalue]\npath = '${DB|OTHER_DB}/${NAME?}'\n")
