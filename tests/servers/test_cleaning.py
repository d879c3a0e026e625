"""Nothing is left behind, however the process that started the servers ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from lamina.testing.servers import Postgres, ServerFailed, Valkey
from lamina.testing.servers.keeper import family
from lamina.testing.servers.shared import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes"),
]

STARTED: Final = """\
import json, sys, time
from pathlib import Path
from lamina.testing.servers import *
from lamina.testing.servers.keeper import family
from lamina.testing.servers.shared import shared
{start}
told = [{{"folder": str(each.folder), "ports": each.ports, "family": family(each.pid)}}
        for each in servers]
print(json.dumps(told), flush=True)
{then}
"""
TWO: Final = "servers = Servers(Valkey(), Postgres()).start().servers"
S_3: Final = "servers = [S3().start()]"


@contextlib.contextmanager
def started(start: str, then: str) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]]]]:
    """Run a program that starts servers; give it, and what it told of them."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTED.format(start=start, then=then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def becomes(true: Callable[[], bool], within: float = 15.0) -> bool:
    ends = time.monotonic() + within
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Tell whether a process is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_clean(told: list[dict[str, Any]]) -> bool:
    return not (
        any(alive(pid) for one in told for pid in one["family"])
        or any(Path(one["folder"]).exists() for one in told)
        or any(
            [*Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]
            for one in told
            for port in one["ports"]
        )
    )


@pytest.mark.parametrize(
    ("start", "then"),
    [
        (TWO, "time.sleep(60)"),
        (S_3, "time.sleep(60)"),
        (TWO, "for each in servers: each.pause()\ntime.sleep(60)"),
        (TWO, "servers[1].kill()\ntime.sleep(60)"),
        (TWO, "import os; os.fork() or time.sleep(60); time.sleep(0.2)"),
    ],
    ids=["running", "with sockets", "paused", "one was killed", "with a child of its own"],
)
def test_the_servers_of_a_killed_process_are_gone(start: str, then: str) -> None:
    with started(start, then) as (process, told):
        assert all(alive(pid) for pid in told[0]["family"])
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

        assert becomes(lambda: is_clean(told))


def test_the_servers_of_a_process_that_forgets_them_are_gone() -> None:
    with started(TWO, "raise SystemExit") as (process, told):
        process.wait()

        assert becomes(lambda: is_clean(told))


def test_a_killed_postgres_leaves_no_shared_memory() -> None:
    segments = Path("/proc/sysvipc/shm")
    with Postgres() as server:
        pid = str(server.pid)
        assert any(pid in line.split() for line in segments.read_text().splitlines())
        server.kill()

    assert not any(pid in line.split() for line in segments.read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel to kill a child")
def test_a_server_ends_with_its_keeper() -> None:
    with Valkey() as server:
        stat = Path(f"/proc/{server.pid}/stat").read_text()
        pids, folder = family(server.pid), server.folder
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)

        assert becomes(lambda: not any(map(alive, pids)))
    assert not folder.exists()


def test_a_shared_server_runs_until_its_last_user_leaves(tmp_path: Path) -> None:
    start = f"servers = [shared(Valkey(), Path({str(tmp_path)!r}))]"
    with started(start, "sys.stdin.read()") as (first, told):
        with started(start, "sys.stdin.read()") as (second, told_again):
            assert told == told_again
            mine = shared(Valkey(), tmp_path)
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
            second.communicate("")

        with mine.connection() as run:
            assert run("PING") == "PONG"
        mine.stop()
        assert becomes(lambda: is_clean(told))


def test_a_shared_server_that_is_gone_is_started_anew(tmp_path: Path) -> None:
    first = shared(Valkey(), tmp_path)
    told, pids = first.told(), family(first.pid)
    first.stop()
    assert becomes(lambda: not any(map(alive, pids)))

    with pytest.raises(ServerFailed, match="valkey is not running"):
        Valkey().join(told)
    second = shared(Valkey(), tmp_path)
    assert second.running
    second.stop()


def test_a_keeper_that_does_not_come_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server = Valkey()

    with pytest.raises(ServerFailed, match="valkey has no keeper"):
        server.start()

    assert server.state == "down"
