"""Calls that are malformed, broken off or many do no harm to the local Supabase."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Project, Supabase

pytestmark = pytest.mark.server

SQL = """
CREATE TABLE t (id bigint PRIMARY KEY, s text);
CREATE FUNCTION nap() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0.2)';
INSERT INTO storage.buckets (id, name) VALUES ('box', 'box');
"""
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def project(supabase: Supabase) -> Project:
    return supabase.project(SQL)


@pytest.fixture
def client(project: Project) -> Iterator[httpx.Client]:
    headers = {"apikey": project.service_key}
    with httpx.Client(base_url=project.url, headers=headers, timeout=30.0) as client:
        yield client


ROWS: dict[bytes, tuple[int, str]] = {
    b'[{"id": 1, "s": "\\ud800"}]': (400, "22P02"),
    b'[{"id": 1, "s": "\\u0000"}]': (400, "22P05"),
    b'[{"id": NaN}]': (400, "PGRST102"),
    b'[{"id": ' + b"9" * 5000 + b"}]": (400, "22003"),
    b"[" * 50_000: (400, "PGRST102"),
    b"\xff": (400, "PGRST102"),
}


@pytest.mark.parametrize("body", ROWS, ids=range(len(ROWS)))
def test_an_odd_row_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/rest/v1/t", content=body, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == ROWS[body]


def test_a_huge_row_is_taken(client: httpx.Client) -> None:
    added = client.post("/rest/v1/t", json={"id": 1, "s": "x" * 10_000_000})

    assert added.status_code == 201
    assert client.delete("/rest/v1/t?id=eq.1").status_code == 204


OBJECTS: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("POST", "/object/box/a", b"no form", FORM),
    ("POST", "/object/box/a", b"no form", {"Content-Type": "multipart/form-data"}),
    ("POST", "/object/list/box", b"{", JSON),
    ("POST", "/object/list/box", b"[1]", JSON),
    ("POST", "/object/list/box", b"{}", {"Content-Type": "application/json; charset=none"}),
    ("POST", "/object/list/box", b'{"limit": -1}', JSON),
    ("POST", "/object/sign/box/a", b'{"expiresIn": NaN}', JSON),
    ("POST", "/object/sign/box/a", b'{"expiresIn": 1e999}', JSON),
    ("POST", "/bucket", b'{"name": "a", "public": "perhaps"}', JSON),
    ("PUT", "/bucket/box", b'{"public": 7}', JSON),
    ("POST", "/object/box/%00", b"x", {}),
    ("POST", f"/object/box/{'k' * 2000}", b"x", {}),
]


@pytest.mark.parametrize(("method", "path", "body", "headers"), OBJECTS)
def test_an_odd_call_of_storage_is_refused(
    client: httpx.Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = client.request(method, f"/storage/v1{path}", content=body, headers=headers)

    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["statusCode"]) == (400, "400")


HEADS = {
    "/rest/v1/": 200,
    "/rest/v1/t": 200,
    "/rest/v1/nope": 404,
    "/rest/v1/rpc/nap": 200,
    "/storage/v1/bucket": 200,
    "/storage/v1/bucket/box": 200,
    "/storage/v1/bucket/nope": 400,
    "/storage/v1/object/box/nope": 400,
    "/nope": 404,
}


@pytest.mark.parametrize("path", HEADS)
def test_a_head_has_no_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)

    assert (answer.status_code, answer.content) == (HEADS[path], b"")


@pytest.mark.parametrize(
    "fault",
    [{"status": 7}, {"status": 200, "headers": {"a": "b\r\nc: d"}}, {"status": "x"}],
)
def test_a_fault_that_cannot_be_sent_is_refused(client: httpx.Client, fault: Any) -> None:
    assert client.post("/_control", json=fault).status_code == 400
    assert client.get("/rest/v1/t").status_code == 200


def test_callers_who_hang_up_leave_room_for_others(project: Project, client: httpx.Client) -> None:
    parts = urlsplit(project.url)
    for path in ["rest/v1/rpc/nap", "storage/v1/object/box/x"] * 15:
        with socket.create_connection((parts.hostname, parts.port), timeout=5.0) as caller:
            told = f"POST {parts.path}/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
            caller.sendall(f"{told}apikey: {project.service_key}\r\n\r\n{{}}".encode())

    assert client.post("/rest/v1/rpc/nap").json() == 1
    assert client.post("/storage/v1/object/list/box", json={"prefix": ""}).json() == []


def test_a_hundred_calls_at_once_are_answered(client: httpx.Client) -> None:
    def call(number: int) -> int:
        if number % 2:
            return client.post("/rest/v1/t", json={"id": 100 + number}).status_code
        return client.post(f"/storage/v1/object/box/{number}", content=b"x" * 1000).status_code

    with ThreadPoolExecutor(25) as threads:
        answers = list(threads.map(call, range(100)))

    assert answers == [200, 201] * 50
