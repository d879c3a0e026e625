"""Faults by order, the control API, and clients that go away."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from upstash_wire import TOKEN, Control, Open, Running, Wire

HTML = "<html><body><center><h1>504 Gateway Time-out</h1></center><hr>nginx</body></html>"
RECORD = {"id": "a", "vector": [1, 2]}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 429, "headers": {"Retry-After": "2"}, "body": "{}"}, "application/json"),
        ({"status": 504, "headers": {"Content-Type": "text/html"}, "body": HTML}, "text/html"),
        ({"status": 500, "body": '{"error":"boom","status":500}'}, "application/json"),
        ({"status": 200, "body": "garb\u00e4ge"}, "application/json"),
    ],
)
def test_the_next_requests_are_answered_as_ordered(
    dense: Wire, control: Control, fault: dict[str, Any], kind: str
) -> None:
    control(faults=[{"times": 2, **fault}])

    for _ in range(2):
        response = dense.send("upsert", RECORD)
        assert response.status_code == fault["status"]
        assert response.text == fault["body"]
        assert response.headers["Content-Type"] == kind
        assert response.headers.items() >= {
            (name.lower(), value) for name, value in fault.get("headers", {}).items()
        }
    assert dense.ok("fetch", {"ids": ["a"]}) == [None]  # not carried out


def test_faults_wait_for_the_requests_they_fit(wire: Open, control: Control) -> None:
    first, second = wire("dense"), wire("dense")
    told = control(faults=[{"endpoint": "query", "index": second.name, "status": 503}])
    assert told["faults"][0]["times"] == 1

    assert first.ok("query", {"vector": [1, 2]}) == []
    assert second.ok("info")["vectorCount"] == 0
    assert second.send("query", {"vector": [1, 2]}).status_code == 503
    assert second.ok("query", {"vector": [1, 2]}) == []
    assert control()["faults"] == []


def test_a_delay_answers_late(dense: Wire, control: Control) -> None:
    control(faults=[{"delay": 0.1}])
    begun = time.monotonic()

    assert dense.ok("upsert", RECORD) == "Success"

    assert time.monotonic() - begun >= 0.1


@pytest.mark.parametrize(("after", "stored"), [(False, [None]), (True, [{"id": "a"}])])
@pytest.mark.parametrize("how", ["reset", "hang", "answer"])
def test_a_failed_request_is_carried_out_or_not(
    dense: Wire, control: Control, how: str, after: bool, stored: list[Any]
) -> None:
    fault = {"status": 502} if how == "answer" else {how: True}
    control(faults=[{"after": after, **fault}])

    with httpx.Client(timeout=0.5) as impatient:
        own = Wire(impatient, dense.url, dense.name)
        if how == "answer":
            assert own.send("upsert", RECORD).status_code == 502
        else:
            expected = httpx.ReadError if how == "reset" else httpx.ReadTimeout
            with pytest.raises(expected):
                own.send("upsert", RECORD)

    assert dense.ok("fetch", {"ids": ["a"]}) == stored


def test_requests_are_counted_by_endpoint(dense: Wire, control: Control) -> None:
    control(counts={}, faults=[{"endpoint": "update", "status": 500}])
    dense.ok("upsert", RECORD)
    dense.ok("upsert", RECORD)
    dense.refused("query", {})
    dense.send("update", RECORD)
    dense.send("info", headers={"Authorization": "no"})

    counts = dense.http.get(f"{dense.url}/_control").json()["counts"]
    assert counts == {"upsert": 2, "query": 1, "update": 1, "info": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"lags": 1},
        {"lag": "1"},
        {"lag": True},
        {"stale_deletes": 1},
        {"filter_budget": 1.5},
        {"limits": {"max_upserts": 1}},
        {"limits": {"max_upsert": "1"}},
        {"faults": {}},
        {"faults": [{"stat": 500}]},
        {"faults": [{"status": "500"}]},
        {"faults": [{"times": None}]},
        {"indexes": {"nokind~a": {}}},
        {"indexes": {"dense~a": {"dimensions": 3}}},
        {"indexes": {"dense~a": {"dimension": "3"}}},
        {"indexes": {"dense~a": {"metric": "L2"}}},
        {"indexes": {"dense~a": {"dimension": 0}}},
        [],
        None,
    ],
)
def test_wrong_settings_are_refused_and_change_nothing(
    running: Running, http: httpx.Client, control: Control, settings: Any
) -> None:
    before = control()
    if isinstance(settings, dict):
        settings = {"stale_deletes": True} | settings

    response = http.post(f"{running.url}/_control", json=settings)

    assert response.status_code in {400, 404}
    assert control() == before


def test_indexes_are_made_with_settings_of_their_own_and_forgotten(
    wire: Open, control: Control
) -> None:
    index = wire("dense", dimension=3, metric="DOT_PRODUCT")
    index.ok("upsert", {"id": "a", "vector": [1, 0, 0]})
    assert index.name in control()["indexes"]

    assert index.name not in control(indexes={index.name: None})["indexes"]

    info = index.ok("info")  # made anew, with the usual settings
    assert (info["vectorCount"], info["similarityFunction"]) == (0, "COSINE")


def test_many_clients_at_once_lose_nothing(dense: Wire) -> None:
    def write(worker: int) -> None:
        with httpx.Client(timeout=20) as own:
            mine = Wire(own, dense.url, dense.name)
            for n in range(10):
                rows = [{"id": f"{worker}-{n}-{m}", "vector": [1.0, m] * 100} for m in range(20)]
                assert mine.ok("upsert", rows) == "Success"
                assert len(mine.ok("query", {"vector": [1.0, 0.5] * 100, "topK": 5})) == 5

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(write, range(8)))

    assert dense.ok("info")["vectorCount"] == 1600
    assert len(dense.ok("query", {"vector": [1.0, 0.5] * 100, "topK": 1000})) == 1000


def test_a_client_that_goes_away_breaks_nothing(dense: Wire) -> None:
    rows = [{"id": str(n), "vector": [float(n), 1.0] * 128} for n in range(900)]
    body = json.dumps(rows).encode()
    head = (
        f"POST /{dense.name}/upsert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    address = dense.url.removeprefix("http://").split(":")
    for part in (len(body) // 2, len(body)):
        with socket.create_connection((address[0], int(address[1]))) as connection:
            connection.sendall(head + body[:part])

    deadline = time.monotonic() + 10
    while dense.ok("info")["vectorCount"] != 900:  # what came as a whole is carried out
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(dense.ok("query", {"vector": [1.0, 1.0] * 128})) == 10


def sent(index: Wire, more: bytes, body: bytes) -> bytes:
    """Return the answer to what no client library would send."""
    host, port = index.url.removeprefix("http://").split(":")
    head = f"POST /{index.name}/upsert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode() + more + b"Connection: close\r\n\r\n" + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(
    ("more", "body"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n"),
        (b"Content-Length: nine\r\n", b"{}"),
        (b"Content-Length: 2\r\n", b"\xff\xfe"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(dense: Wire, more: bytes, body: bytes) -> None:
    assert sent(dense, more, body).split()[1] == b"400"
    assert dense.ok("info")["vectorCount"] == 0


def test_an_index_that_is_busy_holds_up_no_other(wire: Open, running: Running) -> None:
    busy, other = wire("dense"), wire("dense")
    lock = running.server.state.indexes.get(busy.name).lock

    with ThreadPoolExecutor(1) as worker, httpx.Client(timeout=10) as own:
        with lock:  # as if it did long work
            waiting = worker.submit(Wire(own, busy.url, busy.name).ok, "upsert", RECORD)
            assert other.ok("upsert", RECORD) == "Success"
            assert other.http.get(f"{other.url}/_ready").status_code == 200
            assert not waiting.done()
        assert waiting.result(10) == "Success"


def test_no_answer_waits_for_an_acknowledgement(dense: Wire) -> None:
    begun = time.monotonic()

    for _ in range(50):
        dense.ok("fetch", {"ids": ["a"]})

    assert time.monotonic() - begun < 1.5  # delayed acknowledgements alone would take 2 s
