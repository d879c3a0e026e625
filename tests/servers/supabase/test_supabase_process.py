"""The server runs alone in the foreground, as its command line says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from lamina.testing.servers import Postgres, ServerFailed, Supabase
from lamina.testing.servers.supabase.options import parse
from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

SECRET = "a secret of at least 32 characters"
USER = "00000000-0000-0000-0000-000000000001"
SCHEMA = f"""
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA extensions;
CREATE TABLE profile (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text);
ALTER TABLE profile ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON profile FOR ALL TO authenticated USING (id = (SELECT auth.uid()));
CREATE FUNCTION made() RETURNS trigger SECURITY DEFINER SET search_path = '' LANGUAGE plpgsql AS
$$ BEGIN
    INSERT INTO public.profile VALUES (new.id, new.raw_user_meta_data ->> 'name');
    RETURN new;
END $$;
CREATE TRIGGER made AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION made();
ALTER PUBLICATION supabase_realtime ADD TABLE profile;
INSERT INTO auth.users (id, raw_user_meta_data) VALUES ('{USER}', '{{"name": "Ann"}}');
INSERT INTO storage.buckets (id, name) VALUES ('files', 'files');
"""


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


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (b"SELECT 1;\nCREATE TABEL t ();", 'schema.sql:2: syntax error at or near "TABEL"'),
        (b"SELECT 1 / 0", "schema.sql: division by zero"),
        (b"\xff\xfe", "schema.sql cannot be read as UTF-8"),
    ],
)
def test_sql_that_fails_is_told_in_a_line(tmp_path: Path, script: bytes, told: str) -> None:
    file = tmp_path / "schema.sql"
    file.write_bytes(script)

    with pytest.raises(ServerFailed) as caught, Supabase(sql=file):
        pass

    assert told in caught.value.log
    assert "Traceback" not in caught.value.log


def test_a_schema_of_a_project_is_run_once(tmp_path: Path) -> None:
    file = tmp_path / "schema.sql"
    file.write_bytes(b"\xef\xbb\xbf" + SCHEMA.encode())
    with Postgres() as postgres:
        for _ in range(2):
            with Supabase(sql=file, postgres=postgres) as server:
                user = signed({"role": "authenticated", "sub": USER}, server.jwt_secret)
                found = httpx.get(f"{server.url}/rest/v1/profile", headers={"apikey": user})
                assert found.json() == [{"id": USER, "name": "Ann"}]


def test_calls_under_way_do_not_keep_it_from_stopping() -> None:
    sql = "CREATE FUNCTION nap() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(30)'"
    with Supabase() as server, ThreadPoolExecutor(4) as threads:
        project = server.project(sql)
        headers = {"apikey": project.service_key}
        url = f"{project.url}/rest/v1/rpc/nap"
        calls = [threads.submit(httpx.post, url, headers=headers, timeout=20.0) for _ in range(4)]
        deadline = time.monotonic() + 10
        while sum(project.control()["calls"].values()) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 8

        for call in calls:
            with pytest.raises(httpx.TransportError):
                call.result()
