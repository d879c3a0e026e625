"""`lamina dev` as a user has it: one shell runs the servers, another acts on them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from lamina.cli import main
from lamina.testing.servers.resp import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server

LAMINA: Final = (sys.executable, "-m", "lamina.cli", "dev")
NAMES: Final = ("redis", "postgres", "s3", "upstash", "supabase")


def dev(home: Path, *args: str) -> tuple[int, str, str]:
    """Run ``lamina dev`` to its end; return its exit code and what it printed."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(["dev", "--home", str(home), *args])
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def running(home: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``lamina dev`` until told otherwise."""
    with subprocess.Popen(
        [*LAMINA, *args],
        env={**os.environ, "LAMINA_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    return line


def ended(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str]:
    """End it; return its exit code and what it said of its work."""
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


def status(home: Path) -> dict[str, Any]:
    code, told, _ = dev(home, "--status", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(told)
    return found


def read_json(process: subprocess.Popen[str]) -> dict[str, str]:
    lines = [line_of(process)]
    while lines[-1] != "}\n":
        lines.append(line_of(process))
    found: dict[str, str] = json.loads("".join(lines))
    return found


def test_all_run_until_ctrl_c_and_another_shell_acts_on_them(tmp_path: Path) -> None:
    with running(tmp_path, "--json") as process:
        told = read_json(process)

        assert {*told} >= {
            *("REDIS_URL", "DATABASE_URL", "S3_ENDPOINT_URL", "S3_BUCKET_NAME"),
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "UPSTASH_VECTOR_REST_URL"),
            *("UPSTASH_VECTOR_REST_TOKEN", "SUPABASE_URL", "SUPABASE_SERVICE_KEY"),
        }
        found = status(tmp_path)
        assert found["environment"] == told
        assert {name: row["state"] for name, row in found["servers"].items()} == dict.fromkeys(
            NAMES, "running"
        )
        assert dev(tmp_path, "--pause", "postgres") == (0, "postgres is paused\n", "")
        assert status(tmp_path)["servers"]["postgres"]["state"] == "paused"
        assert dev(tmp_path, "--resume", "postgres") == (0, "postgres is running\n", "")
        for name in NAMES:
            assert dev(tmp_path, "--kill", name) == (0, f"{name} is down\n", "")
        code, shown, _ = dev(tmp_path, "--status")
        assert code == 0
        assert shown.count(" down ") == len(NAMES)
        for name in NAMES:
            assert dev(tmp_path, "--restart", name) == (0, f"{name} is running\n", "")
        assert status(tmp_path) == found

        code, said = ended(process)

    assert code == 0
    assert said.endswith("stopping\n")
    assert dev(tmp_path, "--status") == (0, "nothing is running: lamina dev\n", "")


def test_one_runs_alone_on_its_port_and_prints_exports(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "redis", "--port", str(port)) as process:
        assert line_of(process) == f"export REDIS_URL=redis://127.0.0.1:{port}/0\n"
        with Connection(port) as run:
            assert run("PING") == "PONG"
        code, _, said = dev(tmp_path, "redis")
        assert (code, said) == (1, "lamina: redis is running already: lamina dev --status\n")

        assert ended(process, signal.SIGTERM)[0] == 0
    with pytest.raises(ConnectionRefusedError), Connection(port):
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_upstash_and_supabase_take_their_secrets(tmp_path: Path) -> None:
    schema = tmp_path / "schema.sql"
    schema.write_text("CREATE TABLE t (n int); INSERT INTO t VALUES (7);")
    secret = "a secret of at least 32 characters"
    options = ("supabase", "--jwt-secret", secret, "--sql", str(schema), "--json")
    with (
        running(tmp_path, "upstash", "--token", "mine", "--json") as upstash,
        running(tmp_path, *options) as supabase,
    ):
        assert read_json(upstash)["UPSTASH_VECTOR_REST_TOKEN"] == "mine"
        told = read_json(supabase)
        assert rows(f"{told['SUPABASE_URL']}/rest/v1/t", told["SUPABASE_SERVICE_KEY"]) == [{"n": 7}]


def rows(url: str, key: str) -> Any:
    import httpx

    return httpx.get(url, headers={"apikey": key, "Authorization": f"Bearer {key}"}).json()


def test_data_is_kept_where_one_says(tmp_path: Path) -> None:
    for count in (1, 2):
        with running(tmp_path, "redis", "--data", str(tmp_path / "data"), "--json") as process:
            url = read_json(process)["REDIS_URL"]
            with Connection(int(url.rpartition(":")[2].partition("/")[0])) as run:
                assert run("INCR", "starts") == count
            ended(process)


def test_a_killed_lamina_dev_is_not_taken_for_running(tmp_path: Path) -> None:
    with running(tmp_path, "redis") as process:
        line_of(process)
        ended(process, signal.SIGKILL)
        assert (tmp_path / "dev" / "redis.json").exists()
        gone = "lamina: redis is not running any more: lamina dev redis\n"
        never = "lamina: redis is not running: lamina dev redis\n"

        wait_for(lambda: not status(tmp_path)["servers"])

        (tmp_path / "dev" / "redis.json").write_text('{"folder": "/no/such", "ports": [1]}')
        assert dev(tmp_path, "--kill", "redis") == (1, "", gone)
        assert dev(tmp_path, "--kill", "redis") == (1, "", never)
        (tmp_path / "dev" / "redis.json").write_text("{")
        assert dev(tmp_path, "--pause", "redis") == (1, "", never)
    with running(tmp_path, "redis") as process:
        line_of(process)


def wait_for(true: Any) -> None:
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_what_cannot_be_done_is_told_in_one_line(tmp_path: Path) -> None:
    only = "only redis, postgres, s3, upstash, supabase"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for args, why in (
            (("--kill", "s3"), "s3 is not running: lamina dev s3"),
            (("--kill", "s4"), f"there is no server 's4', {only}"),
            (("mysql",), f"there is no server 'mysql', {only}"),
            (("--port", "80"), "--port needs the name of one server"),
            (("s3", "--port", "0"), "--port must be from 1 to 65535"),
            (("s3", "--token", "t"), "--token is for upstash only"),
            (("redis", "--jwt-secret", "s"), "--jwt-secret is for supabase only"),
            (("supabase", "--sql", "no.sql"), "--sql must be a file"),
        ):
            assert dev(tmp_path, *args) == (1, "", f"lamina: {why}\n")
        code, _, said = dev(tmp_path, "redis", "--port", port)

    assert (code, said) == (1, f"starting redis\nlamina: port {port} is taken\n")


def test_a_server_that_goes_down_is_told_and_acts_on_it_say_how_to_start_it(tmp_path: Path) -> None:
    with running(tmp_path, "redis") as process:
        line_of(process)
        assert dev(tmp_path, "--kill", "redis")[0] == 0
        hear(process, "redis is down\n")

        for act in ("--kill", "--pause", "--resume"):
            why = "lamina: redis is not running: lamina dev --restart redis\n"
            assert dev(tmp_path, act, "redis") == (1, "", why)
        assert dev(tmp_path, "--restart", "redis")[0] == 0
        hear(process, "redis is running\n")


def hear(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stderr is not None
    while (line := process.stderr.readline()) != wanted:
        assert line, f"never said {wanted!r}"


def test_help_shows_examples(tmp_path: Path) -> None:
    code, told, _ = dev(tmp_path, "--help")

    assert code == 0
    assert "lamina dev --pause redis" in told
    assert "pip install 'lamina[servers]'" in told
