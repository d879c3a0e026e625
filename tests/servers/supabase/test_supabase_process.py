"""The server runs alone in the foreground, as its command line says."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from lamina.testing.servers.supabase.options import parse
from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

SECRET = "a secret of at least 32 characters"


def test_it_brings_its_own_database_and_runs_sql_and_ends_cleanly(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    (tmp_path / "b.sql").write_text("INSERT INTO t VALUES (2)")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "lamina.testing.servers.supabase", "--port", "0"),
            *("--jwt-secret", SECRET, "--storage", str(tmp_path / "objects"), "--max-rows", "1"),
            *("--sql", str(tmp_path / "a.sql"), str(tmp_path / "b.sql")),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("supabase on ").strip()
            key = signed({"role": "anon"}, SECRET)
            with httpx.Client(base_url=url, headers={"apikey": key}) as client:
                assert client.get("/_ready").status_code == 200
                assert client.get("/rest/v1/t?order=n").json() == [{"n": 1}]
                assert client.get("/rest/v1/t?order=n&offset=1").json() == [{"n": 2}]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_what_is_missing_on_the_command_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--port", "1"])

    assert caught.value.code == 2
    assert "--jwt-secret" in capsys.readouterr().err


def test_schemas_are_those_that_are_told() -> None:
    told = parse(["--port", "1", "--jwt-secret", "s", "--schemas", "a,b"])

    assert told.schemas == ("a", "b")
