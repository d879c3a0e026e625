"""The server as a process: its command line, its start and its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from upstash_wire import TOKEN, Wire

from lamina.testing.servers.upstash.limits import NO_LIMIT
from lamina.testing.servers.upstash.options import parse

NEEDED = ["--port", "8080", "--token", "t"]


@contextmanager
def process(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "lamina.testing.servers.upstash", "--port", "0"]
    command += ["--token", TOKEN, *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().split()[-1]
        finally:
            running.kill()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_is_ready_when_it_says_so_and_ends_when_told(sign: signal.Signals) -> None:
    with process() as (running, url), httpx.Client(timeout=5) as http:
        assert http.get(f"{url}/_ready").status_code == 200
        Wire(http, url, "dense").ok("upsert", {"id": "a", "vector": [1, 2]})

        running.send_signal(sign)

        assert running.wait(5) == 0


def test_it_ends_while_a_request_hangs() -> None:
    with process() as (running, url), httpx.Client(timeout=5) as http:
        http.post(f"{url}/_control", json={"faults": [{"hang": True}]})
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as hanging:
            head = b"POST /dense/info HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            hanging.sendall(head)
            deadline = time.monotonic() + 5
            while http.get(f"{url}/_control").json()["faults"]:
                assert time.monotonic() < deadline

            running.send_signal(signal.SIGTERM)

            assert running.wait(8) == 0


def test_it_ends_soon_though_many_requests_wait() -> None:
    rows = [{"id": str(n), "vector": [n / 7] * 768} for n in range(300)]
    body = json.dumps({"vector": [1.0] * 768, "topK": 1000, "includeVectors": True}).encode()
    head = f"POST /dense/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with process() as (running, url), httpx.Client(timeout=20) as http, ExitStack() as opened:
        Wire(http, url, "dense").ok("upsert", rows)
        host, port = url.removeprefix("http://").split(":")
        for _ in range(40):
            made = socket.create_connection((host, int(port)))
            opened.enter_context(made).sendall(sent)
        deadline = time.monotonic() + 10
        while http.get(f"{url}/_control").json()["counts"].get("query", 0) < 40:
            assert time.monotonic() < deadline

        running.send_signal(signal.SIGTERM)

        assert running.wait(5) == 0


def test_switches_of_the_command_line_reach_the_indexes() -> None:
    switches = ["--dimension", "3", "--hybrid-dimension", "4", "--embedding-dimension", "384"]
    more = ["--metric", "EUCLIDEAN", "--dense-model", "BGE_SMALL_EN_V1_5", "--max-upsert", "2"]
    with process(*switches, *more) as (_, url), httpx.Client(timeout=5) as http:
        info = Wire(http, url, "dense").ok("info")
        assert (info["dimension"], info["similarityFunction"]) == (3, "EUCLIDEAN")
        assert Wire(http, url, "hybrid").ok("info")["dimension"] == 4
        dense = Wire(http, url, "embedding").ok("info")["denseIndex"]
        assert (dense["dimension"], dense["embeddingModel"]) == (384, "BGE_SMALL_EN_V1_5")
        rows = [{"id": str(n), "vector": [1, 2, 3]} for n in range(3)]
        assert Wire(http, url, "dense").refused("upsert", rows)[0] == 422


def test_limits_are_on_unless_told_otherwise() -> None:
    assert parse(NEEDED).limits.max_upsert == 1000
    assert parse([*NEEDED, "--no-limits"]).limits.max_upsert == NO_LIMIT
    assert parse([*NEEDED, "--no-limits", "--max-read", "5"]).limits.max_read == 5
    assert parse([*NEEDED, "--lag", "0.3", "--stale-deletes"]).lag == 0.3


@pytest.mark.parametrize("argv", [[], ["--port", "1"], [*NEEDED, "--metric", "L2"]])
def test_a_wrong_command_line_ends_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv)

    assert caught.value.code == 2


def test_a_port_that_is_taken_is_told_in_a_line() -> None:
    with process() as (_, url):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "lamina.testing.servers.upstash", "--port", port]
        ended = subprocess.run(
            [*command, "--token", TOKEN], capture_output=True, text=True, timeout=10, check=False
        )

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert len(ended.stderr.splitlines()) == 1
