"""What cannot be done is refused with PostgREST's status, code and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from supabase_calls import Rest, error, prefer

from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from lamina.testing.servers import Project

pytestmark = pytest.mark.server

GETS: dict[str, tuple[int, str, str]] = {
    "/unknown": (404, "42P01", 'relation "public.unknown" does not exist'),
    "/person?nope=eq.1": (400, "42703", "column person.nope does not exist"),
    "/person?select=nope": (400, "42703", "column person.nope does not exist"),
    "/person?order=nope": (400, "42703", "column person.nope does not exist"),
    "/person?id=eq.x": (400, "22P02", 'invalid input syntax for type integer: "x"'),
    "/person?id=in.(1,x)": (400, "22P02", 'invalid input syntax for type integer: "x"'),
    "/person?id=like.1": (404, "42883", "operator does not exist: integer ~~ unknown"),
    "/person?id=1": (400, "PGRST100", '"failed to parse filter (1)" (line 1, column 1)'),
    "/person?id=foo.1": (400, "PGRST100", '"failed to parse filter (foo.1)" (line 1, column 1)'),
    "/person?id=not.foo.1": (
        *(400, "PGRST100"),
        '"failed to parse filter (not.foo.1)" (line 1, column 5)',
    ),
    "/person?id=eq()": (400, "PGRST100", '"failed to parse filter (eq())" (line 1, column 4)'),
    "/person?id=in().1": (400, "PGRST100", '"failed to parse filter (in().1)" (line 1, column 3)'),
    "/person?id=in.1": (400, "PGRST100", '"failed to parse filter (in.1)" (line 1, column 4)'),
    "/person?id=is.7": (400, "PGRST100", '"failed to parse filter (is.7)" (line 1, column 4)'),
    "/person?select=id)": (
        *(400, "PGRST100"),
        '"failed to parse select parameter (id))" (line 1, column 3)',
    ),
    "/person?order=id.up": (
        *(400, "PGRST100"),
        '"failed to parse order (id.up)" (line 1, column 4)',
    ),
    "/person?or=(id.eq.1": (
        *(400, "PGRST100"),
        '"failed to parse logic tree ((id.eq.1)" (line 1, column 11)',
    ),
    "/person?limit=-1": (416, "PGRST103", "Requested range not satisfiable"),
    "/person?select=count()": (400, "PGRST123", "Use of aggregate functions is not allowed"),
    "/person?select=id.sum()": (400, "PGRST123", "Use of aggregate functions is not allowed"),
    "/person?pet.name=eq.1": (
        *(400, "PGRST108"),
        "'pet' is not an embedded resource in this request",
    ),
    "/rpc/nope": (
        *(404, "PGRST202"),
        "Could not find the function public.nope without parameters in the schema cache",
    ),
    "/rpc/write": (405, "25006", "cannot execute INSERT in a read-only transaction"),
}


UNPARSABLE = {
    "id=0": ("filter (0)", 1, 'unexpected "0" expecting "not" or operator (eq, gt, ...)'),
    "id=fts().x": ("filter (fts().x)", 5, 'unexpected ")" expecting operator (eq, gt, ...)'),
    "id=notARealID": ("filter (notARealID)", 4, 'unexpected "A" expecting delimiter (.)'),
    "id=in.))": ("filter (in.)))", 4, 'unexpected ")" expecting "("'),
    "or=()": (
        *("logic tree (())", 4),
        (
            'unexpected ")" expecting field name (* or [a..z0..9_$]), '
            "negation operator (not) or logic operator (and, or)"
        ),
    ),
    "or=eq.(a.eq.1)": ("logic tree (eq.(a.eq.1))", 3, 'unexpected "e" expecting "("'),
    "or=(t.like.%25a,b%25,c.eq.1)": (
        *("logic tree ((t.like.%a,b%,c.eq.1))", 15),
        'unexpected "%" expecting letter, digit, "-", "->>", "->" or delimiter (.)',
    ),
    "or=(n.eq.F,g.like.%25A, S.Pd.%25)": (
        *("logic tree ((n.eq.F,g.like.%A, S.Pd.%))", 24),
        'unexpected "P" expecting "not" or operator (eq, gt, ...)',
    ),
    "order=id.ac": (
        *("order (id.ac)", 4),
        'unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast"',
    ),
    "order=id.asc.nullslasttt": (
        *("order (id.asc.nullslasttt)", 17),
        "unexpected 't' expecting \",\" or end of input",
    ),
    "order=id.descc": (
        *("order (id.descc)", 8),
        "unexpected 'c' expecting delimiter (.), \",\" or end of input",
    ),
    "select=meta->>--34": (
        *("select parameter (meta->>--34)", 9),
        'unexpected "-" expecting digit',
    ),
    "select=*,s:a.users(id)": (
        *("select parameter (*,s:a.users(id))", 7),
        'unexpected "u" expecting "sum", "avg", "count", "max" or "min"',
    ),
}


@pytest.mark.parametrize("query", UNPARSABLE)
def test_what_cannot_be_read_is_told_with_its_place(rest: Rest, query: str) -> None:
    answer = rest.get(f"/person?{query}")

    what, column, details = UNPARSABLE[query]
    assert error(answer) == (400, "PGRST100")
    assert answer.json()["message"] == f'"failed to parse {what}" (line 1, column {column})'
    assert answer.json()["details"] == details


@pytest.mark.parametrize("path", GETS)
def test_a_read_is_refused(rest: Rest, path: str) -> None:
    answer = rest.get(path)

    assert (*error(answer), answer.json()["message"]) == GETS[path]


POSTS: list[tuple[str, Any, int, str]] = [
    ("/person", {"id": 1}, 409, "23505"),
    ("/pet", {"owner_id": 99, "name": "x"}, 409, "23503"),
    ("/person", {"id": None}, 400, "23502"),
    ("/person", {"id": 50, "level": -1}, 400, "23514"),
    ("/person", {"id": "x"}, 400, "22P02"),
    ("/person", {"id": 50, "mood": "odd"}, 400, "22P02"),
    ("/person", {"id": 50, "nope": 1}, 400, "PGRST204"),
    ("/person?columns=id,nope", {"id": 50}, 400, "PGRST204"),
    ("/person?on_conflict=level", {"id": 50}, 400, "42P10"),
    ("/person", [{"id": 50}, {"id": 51, "name": "x"}], 400, "PGRST102"),
    ("/rpc/boom", {}, 400, "P0001"),
    ("/rpc/late", {}, 500, "57014"),
    ("/rpc/teapot", {}, 418, "PT418"),
    ("/rpc/nope", {}, 404, "PGRST202"),
    ("/rpc/add", {"x": 1}, 404, "PGRST202"),
    ("/rpc/add", {"a": "x"}, 400, "22P02"),
    ("/rpc/same", {"a": 1}, 300, "PGRST203"),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), POSTS)
def test_a_write_is_refused(rest: Rest, path: str, body: Any, status: int, code: str) -> None:
    headers = prefer("resolution=merge-duplicates") if "on_conflict" in path else {}

    assert error(rest.post(path, json=body, headers=headers)) == (status, code)


def test_postgresql_tells_its_own_details(rest: Rest) -> None:
    assert rest.post("/person", json={"id": 1}).json() == {
        "code": "23505",
        "details": "Key (id)=(1) already exists.",
        "hint": None,
        "message": 'duplicate key value violates unique constraint "person_pkey"',
    }
    assert rest.post("/rpc/boom").json() == {
        "code": "P0001",
        "details": "d",
        "hint": "h",
        "message": "boom",
    }


def test_one_upsert_cannot_write_a_row_twice(rest: Rest) -> None:
    rows = [{"id": 60}, {"id": 60}]

    answer = rest.post("/person", json=rows, headers=prefer("resolution=merge-duplicates"))

    assert error(answer) == (500, "21000")


def test_a_body_that_is_no_json_is_refused(rest: Rest) -> None:
    kind = {"Content-Type": "application/json"}
    for body in (b"{bad", b"", b"\xff", b"NaN"):
        assert error(rest.post("/person", content=body, headers=kind)) == (400, "PGRST102")


def test_an_unknown_table_cannot_be_written_to(rest: Rest) -> None:
    answer = rest.post("/unknown", json={"a": 1})

    assert (answer.status_code, answer.json()) == (404, {})


def test_a_function_that_is_not_there_brings_a_hint(rest: Rest) -> None:
    told = rest.post("/rpc/nothin", json={"b": 1, "a": 2}).json()

    assert told == {
        "code": "PGRST202",
        "details": (
            "Searched for the function public.nothin with parameters a, b or with a single "
            "unnamed json/jsonb parameter, but no matches were found in the schema cache."
        ),
        "hint": "Perhaps you meant to call the function public.nothing",
        "message": "Could not find the function public.nothin(a, b) in the schema cache",
    }


def test_a_function_may_refuse_in_its_own_way(rest: Rest) -> None:
    answer = rest.post("/rpc/own")

    assert (answer.status_code, answer.headers["X-Own"]) == (332, "o")
    assert answer.json() == {"code": "123", "details": None, "hint": "h", "message": "m"}


def test_a_schema_that_is_not_served_is_refused(rest: Rest) -> None:
    answer = rest.get("/person", headers={"Accept-Profile": "nope"})

    assert error(answer) == (406, "PGRST106")
    assert answer.json()["message"] == "The schema must be one of the following: public, side"
    assert error(rest.post("/person", json={}, headers={"Content-Profile": "auth"})) == (
        *(406, "PGRST106"),
    )


def test_a_form_that_is_unknown_is_refused(rest: Rest) -> None:
    answer = rest.get("/person", headers={"Accept": "text/unknown"})

    assert error(answer) == (406, "PGRST107")


def test_strict_handling_refuses_what_is_not_known(rest: Rest) -> None:
    answer = rest.get("/person", headers=prefer("handling=strict", "foo=bar"))

    assert error(answer) == (400, "PGRST122")
    assert answer.json()["details"] == "Invalid preferences: foo=bar"
    assert rest.get("/person", headers=prefer("foo=bar")).status_code == 200


def test_other_methods_are_refused(rest: Rest) -> None:
    assert error(rest.request("TRACE", "/person")) == (405, "PGRST117")
    assert error(rest.patch("/rpc/add", json={})) == (405, "PGRST101")


def test_anonymous_callers_are_told_to_say_who_they_are(project: Project) -> None:
    with Rest(project, project.anon_key) as anon:
        answer = anon.get("/hidden")
        assert error(answer) == (401, "42501")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    with Rest(project, project.key("authenticated")) as user:
        assert user.get("/hidden").json() == []


@pytest.mark.parametrize(
    ("claims", "secret", "message"),
    [
        ({"role": "anon", "exp": 1}, "", "JWT expired"),
        (
            {"role": "anon"},
            "another secret of at least 32 characters",
            "JWSError JWSInvalidSignature",
        ),
        ({"role": "anon", "nbf": 1 << 33}, "", "JWT not yet valid"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    project: Project, claims: dict[str, Any], secret: str, message: str
) -> None:
    with Rest(project, signed(claims, secret or project.jwt_secret)) as client:
        answer = client.get("/person")

    assert error(answer) == (401, "PGRST301")
    assert answer.json()["message"] == message
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_what_is_no_token_is_refused(project: Project) -> None:
    with Rest(project, "nonsense") as client:
        assert error(client.get("/person")) == (401, "PGRST301")


def test_a_role_that_is_not_there_is_refused(project: Project) -> None:
    with Rest(project, signed({"role": "nobody"}, project.jwt_secret)) as client:
        assert error(client.get("/person")) == (401, "22023")
