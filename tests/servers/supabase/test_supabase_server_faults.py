"""Faults are played as asked, and calls are counted."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from supabase_calls import SQL, Rest, error

from lamina.testing.servers import Project, ServerFailed, Supabase

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server


@pytest.fixture
def control(project: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=project.url) as client:
        yield client
        client.delete("/_control")


def play(control: httpx.Client, *faults: dict[str, Any]) -> None:
    assert control.post("/_control", json=[*faults]).status_code == 200


PRESETS = {
    "schema-cache": (503, "PGRST002"),
    "pool": (504, "PGRST003"),
    "timeout": (500, "57014"),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_an_error_of_postgrest_is_played(rest: Rest, control: httpx.Client, preset: str) -> None:
    play(control, {"preset": preset, "times": 2})

    assert [error(rest.get("/person")) for _ in range(2)] == [PRESETS[preset]] * 2
    assert rest.get("/person").status_code == 200


def test_answers_of_a_gateway_are_played(rest: Rest, control: httpx.Client) -> None:
    play(control, {"preset": "gateway"}, {"preset": "no-code"}, {"preset": "throttled"})
    play(control, {"preset": "html"})

    assert "<html>" in (bad := rest.get("/person")).text
    assert bad.status_code == 502
    assert rest.get("/person").json() == {"message": "An unexpected error occurred"}
    throttled = rest.get("/person")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "1")
    assert "<html>" in (odd := rest.get("/person")).text
    assert odd.status_code == 200


def test_any_answer_is_played_for_the_calls_that_are_meant(
    rest: Rest, control: httpx.Client
) -> None:
    told = {"status": 418, "headers": {"X-Own": "1"}, "body": {"code": "own"}}
    play(control, {"path": "/rest/v1/pet", "method": "GET", **told})

    assert rest.get("/person").status_code == 200
    assert rest.patch("/pet?id=eq.0", json={"name": "x"}).status_code == 204
    answer = rest.get("/pet")
    assert (answer.status_code, answer.headers["X-Own"]) == (418, "1")
    assert answer.json() == {"code": "own"}


def test_a_connection_is_reset_before_or_after_the_work(rest: Rest, control: httpx.Client) -> None:
    for when, there in (("before", 0), ("after", 1)):
        play(control, {"reset": when})
        with pytest.raises(httpx.TransportError):
            rest.post("/club", json={"id": 70, "name": when})
        assert len(rest.get("/club?id=eq.70").json()) == there
    rest.delete("/club?id=eq.70")


def test_an_answer_is_late_or_never_comes(rest: Rest, control: httpx.Client) -> None:
    play(control, {"delay": 0.2}, {"hang": True})

    began = time.monotonic()
    assert rest.get("/person").status_code == 200
    assert time.monotonic() - began >= 0.2
    with pytest.raises(httpx.ReadTimeout):
        rest.get("/person", timeout=0.2)
    assert rest.get("/person").status_code == 200


def test_calls_are_counted(rest: Rest, control: httpx.Client) -> None:
    control.delete("/_control")

    rest.get("/person")
    rest.get("/person?id=eq.1")
    play(control, {"preset": "pool", "times": 3})

    assert control.get("/_control").json() == {"calls": {"GET /rest/v1/person": 2}, "faults": 3}


@pytest.mark.parametrize("told", [{"nope": 1}, 7, {"preset": "nope"}, {"reset": "x"}, None])
def test_a_fault_that_is_none_is_refused(control: httpx.Client, told: Any) -> None:
    assert control.post("/_control", json=told).status_code == 400


def test_a_project_whose_sql_fails_is_refused(control: httpx.Client) -> None:
    told = {"name": "broken", "sql": "SELEC"}

    answer = control.post("/_control/project", json=told)

    assert (answer.status_code, answer.json()["message"]) == (
        *(400, 'syntax error at or near "SELEC"'),
    )


def test_a_project_is_made_by_its_first_call(supabase: Supabase) -> None:
    key = supabase.default.anon_key
    with httpx.Client(base_url=supabase.url, headers={"apikey": key}) as client:
        assert client.get("/~first_call/rest/v1/t").json()["code"] == "42P01"
        assert client.get("/~first.call..%20/rest/v1/t").status_code == 404
        assert client.get("/elsewhere").status_code == 404
        assert client.get("/_ready").status_code == 200


def test_the_database_may_go_and_come_back() -> None:
    with Supabase(["--acquire-timeout", "0.5", "--connections", "2"]) as server:
        project = server.project(SQL)
        with Rest(project, project.service_key) as rest:
            _exhausted(rest)
            _terminated(server, rest)
            _timed_out(server, rest)
            server.postgres.kill()
            answer = rest.get("/person")
            assert (*error(answer), answer.headers["Retry-After"]) == (503, "PGRST002", "0")
            with httpx.Client(base_url=f"{project.url}/storage/v1") as storage:
                down = storage.get("/bucket", headers={"apikey": project.service_key})
                assert (down.status_code, down.json()["statusCode"]) == (500, "500")
                assert (down.json()["error"], down.json()["message"]) == (
                    *("Internal", "Internal Server Error"),
                )
            server.postgres.restart()
            assert rest.get("/person?select=id&id=eq.1").json() == [{"id": 1}]


def _nap(rest: Rest, seconds: float, answers: list[httpx.Response]) -> threading.Thread:
    def call() -> None:
        answers.append(rest.post("/rpc/nap", json={"seconds": seconds}))

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def _exhausted(rest: Rest) -> None:
    answers: list[httpx.Response] = []
    threads = [_nap(rest, 1.0, answers) for _ in range(3)]
    for thread in threads:
        thread.join()
    assert error(answers[0]) == (504, "PGRST003")
    assert [answer.status_code for answer in answers[1:]] == [200, 200]


def _terminated(server: Supabase, rest: Rest) -> None:
    answers: list[httpx.Response] = []
    thread = _nap(rest, 10.0, answers)
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    )
    deadline = time.monotonic() + 5
    while server.postgres.run(kill) == "0" and time.monotonic() < deadline:
        time.sleep(0.02)
    thread.join()
    assert (*error(answers[0]), answers[0].headers["Retry-After"]) == (503, "57P01", "0")
    assert rest.get("/person").status_code == 200


def _timed_out(server: Supabase, rest: Rest) -> None:
    server.postgres.run("ALTER ROLE service_role SET statement_timeout = '50ms'")
    assert error(rest.post("/rpc/nap", json={"seconds": 5})) == (500, "57014")
    server.postgres.run("ALTER ROLE service_role RESET statement_timeout")


def test_each_project_has_its_own_faults(supabase: Supabase) -> None:
    one, other = supabase.project(), supabase.project()
    one.control({"preset": "pool", "times": 2})
    answers: list[int] = []
    for each in (one, other):
        with Rest(each, each.service_key) as rest:
            answers.append(rest.get("/").status_code)

    assert answers == [504, 200]
    assert one.control() == {"calls": {"GET /rest/v1/": 1}, "faults": 1}
    one.forget()
    assert one.control() == {"calls": {}, "faults": 0}
    assert other.control()["calls"] == {"GET /rest/v1/": 1}
    with pytest.raises(ServerFailed, match="refuses what it is told"):
        one.control({"nope": 1})


def test_faults_of_a_server_that_is_gone_cannot_be_set() -> None:
    gone = Project("http://127.0.0.1:9/~p", "", "")

    with pytest.raises(ServerFailed, match="does not answer"):
        gone.control()
