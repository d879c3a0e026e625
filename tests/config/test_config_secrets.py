from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from lamina.config import load
from lamina.config.options import BackendOptions
from lamina.config.registry import BACKENDS, Row
from lamina.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def message(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None) -> str:
    file = tmp_path / "lamina.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StackError) as failed:
        load("lamina.toml", environ=environ or {})
    assert str(failed.value).count("lamina.toml") <= str(failed.value).count("\n") + 2
    return str(failed.value)


class _Service(BackendOptions):
    url: str
    token: SecretStr
    size: int = 1


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("lamina.backends.memory:MemoryKeyValue", _Service, extra="service")
    monkeypatch.setitem(BACKENDS["keyvalue"], "service", row)


@pytest.mark.usefixtures("service")
def test_every_missing_setting_of_a_backend_is_told(tmp_path: Path) -> None:
    told = message(tmp_path, "[keyvalue]\nbackend = 'service'")

    for name in ("url", "token"):
        line = f"keyvalue.{name}: missing, it has no default; without it keyvalue has no service"
        assert line in told


@pytest.mark.usefixtures("service")
def test_a_missing_setting_is_told_once(tmp_path: Path) -> None:
    told = message(tmp_path, "[keyvalue]\nbackend='service'\nurl='${NOPE}'\ntoken='x'")

    assert told == (
        "lamina.toml: keyvalue.url: missing, set NOPE; without it keyvalue has no service"
    )


@pytest.mark.usefixtures("service")
def test_a_backend_whose_package_is_missing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("lamina.no_such_module:Thing", BackendOptions, extra="service")
    monkeypatch.setitem(BACKENDS["keyvalue"], "service", row)

    told = message(tmp_path, "[keyvalue]\nbackend = 'service'")

    assert told.endswith("backend 'service' is not installed: pip install 'lamina[service]'")


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "text",
    [
        "[keyvalue]\nbackend='service'\nurl='x'\ntoken='${KEY}'\nsize='${KEY}'",
        "[keyvalue]\nbackend='service'\nurl=3\ntoken='hunter2'\nsize='hunter2'",
        "[keyvalue]\nbackend='${KEY}'",
        "[keyvalue.cache]\nttl='${KEY}'",
        "[keyvalue]\nbackend='service'\ntoken='hunter2",
        "preset='${KEY}'",
        "[vectors]\nmetric='${KEY}'",
        "[media]\nroot='~${KEY}/x'",
        "[media]\nlayers='${KEY}'",
    ],
)
def test_no_secret_is_in_a_message(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in message(tmp_path, text, {"KEY": "hunter2"})


@pytest.mark.usefixtures("service")
def test_no_secret_is_in_a_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Taking(_Service):
        def arguments(self, home: Path, domain: str) -> dict[str, Any]:
            return {}

    monkeypatch.setitem(
        BACKENDS["keyvalue"], "service", Row("lamina.backends.memory:MemoryKeyValue", Taking)
    )
    section = {"backend": "service", "url": "x", "token": "hunter2"}

    settings = load(preset="test", environ={}, overrides={"keyvalue": section})

    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRESET", "nope-hunter2"),
        ("HOME", "~hunter2/x"),
        ("DOCUMENTS__BACKEND", "nope-hunter2"),
        ("DOCUMENTS__LAYERS", "cache,hunter2"),
        ("DOCUMENTS__RETRY__ATTEMPTS", "hunter2"),
        ("DOCUMENTS__RETRY__ATTEMPTS", "-48151623"),
        ("DOCUMENTS__RETRY__SHARED", "hunter2" * 20),
        ("MEDIA__ROOT", "~hunter2/x"),
        ("VECTORS__METRIC", "hunter2"),
        ("VECTORS__BUSY", "-48151623"),
    ],
)
def test_no_value_of_the_environment_is_in_a_message(name: str, value: str) -> None:
    environ = {f"LAMINA_{name}": value}
    try:
        load(environ=environ)
    except StackError as error:
        told = str(error)
        assert f"LAMINA_{name}" in told or "LAMINA_DOCUMENTS__RETRY" in told
        for secret in ("hunter2", "48151623"):
            assert secret not in told
    else:
        assert name == "DOCUMENTS__RETRY__SHARED"  # any name will do


def test_a_message_says_which_variable_a_value_came_from(tmp_path: Path) -> None:
    told = message(tmp_path, "[keyvalue]\nbackend = '${KIND}'", {"KIND": "sqlit"})

    assert told.startswith(
        "lamina.toml: keyvalue.backend (from KIND): no such backend in this version; "
        "did you mean 'sqlite'?"
    )
