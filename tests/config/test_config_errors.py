from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.config import load
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[documents.cache]\nttll = 3",
            "lamina.toml: documents.cache.ttll: unknown name 'ttll'; did you mean 'ttl'?",
        ),
        (
            "[document]\nbackend = 'sqlite'",
            "lamina.toml: document: unknown name 'document'; did you mean 'documents'?",
        ),
        (
            "[documents]\nbackend = 'sqlit'",
            (
                "no backend 'sqlit' in this version; did you mean 'sqlite'? "
                "known: memory, postgres, sqlite, supabase"
            ),
        ),
        (
            "[documents]\nbackend = 'redis'",
            "documents.backend: no backend 'redis' in this version; known: memory, postgres, ",
        ),
        ("[documents]\nbackend = 3", "documents.backend: no backend int in this version"),
        (
            "[documents]\nlayers = ['cach']",
            "lamina.toml: documents.layers: no layer 'cach'; did you mean 'cache'?",
        ),
        (
            "[documents.cach]\nttl = 3",
            "lamina.toml: documents.cach: unknown name 'cach'; did you mean 'cache'?",
        ),
        (
            "[documents.cache]\nttl = 'soon'",
            "lamina.toml: documents.cache.ttl: must be float, got str",
        ),
        ("[documents.cache]\nttl = '30'", "documents.cache.ttl: must be float, got str"),
        ("[documents.cache]\nttl = true", "documents.cache.ttl: must be float, got bool"),
        ("[documents.retry]\nattempts = 2.5", "documents.retry.attempts: must be a valid integer"),
        ("[documents.cache]\nttl = -1", "lamina.toml: documents.cache: "),
        ("[documents]\ncache = 3", "lamina.toml: documents.cache: must be a table of options"),
        ("documents = 3", "lamina.toml: documents: must be a table"),
        ("[documents]\nlayers = 'cache'", "documents.layers: must be a list of layer names"),
        ("[documents]\nlayers = [1]", "documents.layers: must be a list of layer names"),
        ("[documents]\nrequired = 'yes'", "lamina.toml: documents.required: must be bool, got str"),
        ("[documents]\nrequired = 2", "lamina.toml: documents.required: must be bool, got int"),
        (
            "[media]\nlayers = ['retry']\n[media.cache]\nttl = 3",
            "lamina.toml: media.cache: sets options, but media.layers does not name it",
        ),
        (
            "[keyvalue]\nlayers = ['retry', 'cache']",
            "lamina.toml: keyvalue.layers: E05: Cache() stands inside Retry()",
        ),
        ("[keyvalue]\nlayers = ['cache', 'cache']", "lamina.toml: keyvalue.layers: E00: "),
        ("[keyvalue]\nlayers = ['retry', 'retry']", "lamina.toml: keyvalue.layers: E09: "),
        (
            "[keyvalue]\nlayers = ['timeout', 'breaker']",
            "lamina.toml: keyvalue.layers: E01: ",
        ),
        (
            "preset = 'embeded'",
            "lamina.toml: preset: no preset 'embeded'; did you mean 'embedded'?",
        ),
        ("preset = 3", "lamina.toml: preset: no preset int"),
        ("conect_timeout = 3", "unknown name 'conect_timeout'; did you mean 'connect_timeout'?"),
        ("connect_timeout = 0", "lamina.toml: connect_timeout: must be greater than 0"),
        ("connect_timeout = inf", "lamina.toml: connect_timeout: must be a finite number"),
        ("[keyvalue]\npaht = 'x'", "keyvalue.paht: unknown name 'paht'; did you mean 'path'?"),
        (
            "[vectors]\nmetric = 'cosinus'",
            "lamina.toml: vectors.metric: must be 'cosine', 'dot' or 'euclidean'",
        ),
    ],
)
def test_says_where_what_and_what_was_meant(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in message(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "LAMINA_DOCUMENTS__CACHE__TTL",
            "soon",
            "environment LAMINA_DOCUMENTS__CACHE__TTL: must be a valid number",
        ),
        (
            "LAMINA_DOCUMENT__CACHE__TTL",
            "3",
            "LAMINA_DOCUMENT__CACHE__TTL: unknown section 'document'; did you mean 'documents'?",
        ),
        (
            "LAMINA_DOCUMENTS__LAYERS",
            "cache,retri",
            "environment LAMINA_DOCUMENTS__LAYERS: no such layer; did you mean 'retry'?",
        ),
        (
            "LAMINA_PRESET",
            "tests",
            "environment LAMINA_PRESET: no such preset; did you mean 'test'?",
        ),
        (
            "LAMINA_DOCUMENTS__BACKEND",
            "sqlit",
            "LAMINA_DOCUMENTS__BACKEND: no such backend in this version; did you mean 'sqlite'?",
        ),
        ("LAMINA_DOCUMENTS__", "x", "environment LAMINA_DOCUMENTS__: names no setting"),
        ("LAMINA_DOCUMENTS", "x", None),
        ("LAMINA_CONNECT_TIMEOUT", "x", "environment LAMINA_CONNECT_TIMEOUT: must be a valid"),
    ],
)
def test_names_the_variable(name: str, value: str, expected: str | None) -> None:
    if expected is None:  # not ours
        load(preset="test", environ={name: value})
        return
    preset = None if name == "LAMINA_PRESET" else "test"
    with pytest.raises(StackError) as failed:
        load(preset=preset, environ={name: value})
    assert expected in str(failed.value)


def test_a_variable_beneath_a_value_is_refused() -> None:
    environ = {"LAMINA_MEDIA__CACHE": "1", "LAMINA_MEDIA__CACHE__TTL": "1"}

    with pytest.raises(StackError, match="LAMINA_MEDIA__CACHE__TTL: names no setting"):
        load(preset="test", environ=environ)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "lamina.toml: is empty"),
        (b" \n", "lamina.toml: is empty"),
        (b"preset = \xff", "lamina.toml: is not UTF-8, at byte 9"),
        (b"# " + b"x" * 10_000_000, "lamina.toml: has 10000002 bytes, at most 1048576 are read"),
        (b"preset = 'test'\n[documents\n", "lamina.toml:2:11: not TOML: expected ']'"),
        (b"preset = ", "lamina.toml:1:10: not TOML: invalid value"),
        (b"a = 1\na = 2\n", "lamina.toml:2:6: not TOML: cannot overwrite a value"),
        (b"x = " + b"[" * 100_000, "lamina.toml: not TOML: nested too deeply"),
        (b"x = " + b"9" * 5_000, "lamina.toml: not TOML: a number is too long"),
        (
            b"connect_timeout = " + b"9" * 4_000,
            "lamina.toml: connect_timeout: must be a valid number",
        ),
        (
            b"[media.retry]\nattempts = " + b"9" * 4_000,
            "media.retry: Retry: attempts must be a whole number from 1, got 999",
        ),
        (b"[media.timeout]\nseconds = " + b"9" * 4_000, "lamina.toml: media.timeout"),
        (b"[keyvalue]\nbusy = " + b"9" * 4_000, "keyvalue.busy: must be a valid number"),
    ],
    ids=[
        *("empty", "blank", "not utf-8", "10 MB", "bracket", "cut off", "twice", "nested"),
        *("5,000 digits", "timeout", "attempts", "seconds", "busy"),
    ],
)
def test_says_what_is_wrong_with_the_file(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in message(tmp_path, content)


def test_says_when_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"missing\.toml: does not exist"):
        load("missing.toml", environ={})
    with pytest.raises(StackError, match="is a directory, a TOML file was expected"):
        load(tmp_path, environ={})
    with pytest.raises(StackError, match="cannot be read: not a path"):
        load("a\0b", environ={})
    with pytest.raises(StackError, match=r"gone\.toml: does not exist"):
        load(environ={"LAMINA_CONFIG": "gone.toml"})


def test_says_why_it_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to("loop.toml")

    with pytest.raises(StackError, match=r"loop\.toml.*cannot be read: Too many levels"):
        load("loop.toml", environ={})


def test_one_message_tells_everything(tmp_path: Path) -> None:
    text = (
        "[keyvalue]\npath = '${DB}'\n[documents]\nbackend = 'sqlit'\n"
        "[media]\nroot = '${ROOT}/${SUB}'\n[media.cache]\nttll = 1\n"
    )

    told = message(tmp_path, text, {"SUB": "x"})

    assert told.splitlines()[0] == "4 settings are wrong or missing:"
    assert "keyvalue.path: missing, set DB; without it keyvalue has no sqlite" in told
    assert "media.root: missing, set ROOT; without it media has no files" in told
    assert "documents.backend: no backend 'sqlit'" in told
    assert "media.cache.ttll: unknown name" in told


def test_production_says_what_is_missing_and_what_there_is() -> None:
    with pytest.raises(StackError) as failed:
        load(preset="production", environ={"SUPABASE_URL": "https://x.example"})

    told = str(failed.value)
    for name in (
        "REDIS_URL",
        "UPSTASH_VECTOR_REST_TOKEN",
        "SUPABASE_SERVICE_KEY or SUPABASE_SERVICE_ROLE_KEY or SUPABASE_KEY",
        "S3_BUCKET_NAME or S3_BUCKET or AWS_S3_BUCKET",
    ):
        assert f"missing, set {name}; without it" in told
    assert "set SUPABASE_URL" not in told


def test_a_dollar_brace_without_a_name_is_refused(tmp_path: Path) -> None:
    assert "has a '${' without a variable's name" in message(tmp_path, "[keyvalue]\npath='${'")


async def test_open_raises_the_same() -> None:
    with pytest.raises(StackError, match="no preset 'nope'"):
        async with lamina.open(preset="nope", environ={}):
            raise AssertionError
    with pytest.raises(StackError, match="overrides: keyvlue: unknown name"):
        async with lamina.open(preset="test", environ={}, keyvlue={}):
            raise AssertionError


@pytest.mark.parametrize("wrong", [5, 0, True, b"x", ["x"], "~no-such-user/x"])
async def test_what_is_no_path_is_refused(wrong: Any) -> None:
    with pytest.raises(StackError, match="path: must be that of a file"):
        async with lamina.open(wrong, environ={}):
            raise AssertionError
    with pytest.raises(StackError, match="home: must be that of a folder"):
        async with lamina.open(preset="test", home=wrong, environ={}):
            raise AssertionError
