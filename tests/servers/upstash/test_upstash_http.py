"""HTTP as clients other than Python's speak it, byte for byte."""

from __future__ import annotations

import gzip
import json
import random
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from upstash_wire import TOKEN, Wire

ROW = {"id": "a", "vector": [1, 2]}
Answer = tuple[int, dict[str, str], Any]


def request(index: Wire, op: str, body: bytes = b"", *lines: str, target: str = "") -> bytes:
    head = [f"POST {target or f'/{index.name}/{op}'} HTTP/1.1", "Host: x", *lines]
    head += [f"Authorization: Bearer {TOKEN}", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@contextmanager
def connected(index: Wire) -> Generator[tuple[socket.socket, Callable[[], Answer]]]:
    """Open a connection, and give it with what reads the next answer."""
    host, port = index.url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as made,
        made.makefile("rb") as got,
    ):

        def answer() -> Answer:
            status = int(got.readline().split()[1])
            headers: dict[str, str] = {}
            while line := got.readline().strip().decode():
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            text = got.read(int(headers.get("content-length", 0)))
            return status, headers, json.loads(text) if text else None

        yield made, answer


def test_a_body_that_waits_to_be_asked_for_is_asked_for(dense: Wire) -> None:
    head, body = request(dense, "upsert", json.dumps(ROW).encode(), "Expect: 100-continue").split(
        b"\r\n\r\n"
    )
    with connected(dense) as (connection, answer):
        connection.sendall(head + b"\r\n\r\n")
        assert answer()[0] == 100
        connection.sendall(body)
        assert answer()[::2] == (200, {"result": "Success"})


def test_pipelined_requests_are_answered_in_their_order(dense: Wire) -> None:
    rows = [{"id": str(n), "vector": [1, n]} for n in range(30)]
    sent = [request(dense, "upsert", json.dumps(row).encode()) for row in rows]
    sent.insert(10, request(dense, "upsert", b"{"))
    with connected(dense) as (connection, answer):
        connection.sendall(b"".join(sent) + request(dense, "range", b'{"limit": 100}'))
        answers = [answer() for _ in range(len(sent) + 1)]

    assert [status for status, _, _ in answers] == [200] * 10 + [400] + [200] * 21
    assert [each["id"] for each in answers[-1][2]["result"]["vectors"]] == [r["id"] for r in rows]


def test_a_refused_request_leaves_the_connection_usable(dense: Wire) -> None:
    wrong = request(dense, "upsert", b"x" * 1_000_000).replace(TOKEN.encode(), b"wrong")
    with connected(dense) as (connection, answer):
        for sent, status in ((wrong, 401), (request(dense, "none"), 404)):
            connection.sendall(sent)
            assert answer()[0] == status
        connection.sendall(request(dense, "list-namespaces"))
        assert answer()[::2] == (200, {"result": [""]})


def test_a_target_that_names_the_host_is_understood(dense: Wire) -> None:
    target = f"http://proxied.example/{dense.name}/list-namespaces"
    with connected(dense) as (connection, answer):
        connection.sendall(request(dense, "", target=target))
        assert answer()[::2] == (200, {"result": [""]})


@pytest.mark.parametrize("left", [1, 20])
def test_half_a_request_writes_nothing(dense: Wire, left: int) -> None:
    whole = request(dense, "upsert", json.dumps(ROW).encode())
    for _ in range(5):
        with connected(dense) as (connection, _):
            connection.sendall(whole[:-left])

    assert dense.ok("fetch", ["a"]) == [None]


def test_a_request_whose_sender_has_gone_is_carried_out(dense: Wire) -> None:
    with connected(dense) as (connection, _):
        connection.sendall(request(dense, "upsert", json.dumps(ROW).encode()))

    deadline = time.monotonic() + 5
    while dense.ok("fetch", ["a"]) == [None]:
        assert time.monotonic() < deadline


def test_bodies_may_come_in_chunks_or_compressed(dense: Wire) -> None:
    body, url = json.dumps(ROW).encode(), f"{dense.url}/{dense.name}/upsert"
    headers = {"Authorization": f"Bearer {TOKEN}"}

    chunks = dense.http.post(url, content=iter([body[:9], body[9:]]), headers=headers)
    zipped = headers | {"Content-Encoding": "gzip"}
    small = dense.http.post(url, content=gzip.compress(body), headers=zipped)
    torn = dense.http.post(url, content=gzip.compress(body)[:-9], headers=zipped)

    assert [chunks.status_code, small.status_code, torn.status_code] == [200, 200, 400]


def test_a_large_upsert_is_taken_and_found(dense: Wire) -> None:
    chance = random.Random(1)
    vectors = [[chance.uniform(-1, 1) for _ in range(768)] for _ in range(1000)]

    dense.ok("upsert", [{"id": str(n), "vector": row} for n, row in enumerate(vectors)])

    found = dense.ok("query", {"vector": vectors[500], "topK": 1})
    assert found == [{"id": "500", "score": 1.0}]


def test_http_1_0_is_answered_and_closed(dense: Wire) -> None:
    with connected(dense) as (connection, answer):
        connection.sendall(request(dense, "list-namespaces").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert answer()[0] == 200
        assert connection.recv(1) == b""


def test_answers_are_json_of_a_told_length(dense: Wire) -> None:
    for op in ("info", "upsert", "none"):
        response: httpx.Response = dense.send(op, [])
        assert response.headers["Content-Type"] == "application/json"
        assert int(response.headers["Content-Length"]) == len(response.content)
