"""What the tests of the local Supabase's tables share: SQL, and calls with a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from lamina.testing.servers import Project

SQL: Final = """
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE person (
    id int PRIMARY KEY, name text UNIQUE, score numeric, tags text[], meta jsonb, born date,
    during tsrange, mood mood, words tsvector, made timestamptz NOT NULL DEFAULT '2024-01-02',
    level int NOT NULL DEFAULT 5 CHECK (level > 0)
);
INSERT INTO person (id, name, score, tags, meta, born, during, mood, words) VALUES
    (1, 'Ann', 1.50, '{a,b}', '{"n": {"x": "1"}, "l": [10, 20]}', '2000-01-01',
        '[2000-01-01 13:00, 2000-01-01 15:00)', 'sad', 'fat:1 cat:2'),
    (2, 'Bob, Jr. (x)', 2, '{b}', '{"n": {"x": "2"}}', NULL,
        '[2000-01-02 09:00, 2000-01-02 10:00)', 'fine', 'fat:1 rat:2'),
    (3, 'q"', NULL, '{}', NULL, '1999-05-05', NULL, NULL, NULL);
CREATE TABLE pet (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id int REFERENCES person, sitter_id int REFERENCES person, name text NOT NULL
);
INSERT INTO pet (owner_id, name) VALUES (1, 'Rex'), (1, 'Tom'), (2, 'Kit');
CREATE TABLE club (id int PRIMARY KEY, name text);
CREATE TABLE member (
    person_id int REFERENCES person, club_id int REFERENCES club,
    PRIMARY KEY (person_id, club_id)
);
INSERT INTO club VALUES (1, 'chess'), (2, 'go');
INSERT INTO member VALUES (1, 1), (1, 2), (2, 1);
CREATE TABLE bare (a int, b text);
CREATE TABLE hidden (id int);
REVOKE ALL ON hidden FROM anon;
CREATE SCHEMA side;
CREATE TABLE side.only (id int PRIMARY KEY);
INSERT INTO side.only VALUES (7);
GRANT USAGE ON SCHEMA side TO anon, authenticated, service_role;
GRANT ALL ON side.only TO anon, authenticated, service_role;

CREATE FUNCTION add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE
    AS 'SELECT a + b';
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION many() RETURNS SETOF int LANGUAGE sql AS 'SELECT generate_series(1, 3)';
CREATE FUNCTION people(above int DEFAULT 0) RETURNS SETOF person LANGUAGE sql STABLE
    AS 'SELECT * FROM person WHERE id > above ORDER BY id';
CREATE FUNCTION someone() RETURNS person LANGUAGE sql STABLE
    AS 'SELECT * FROM person ORDER BY id LIMIT 1';
CREATE FUNCTION pair(OUT a int, OUT b text) LANGUAGE sql AS $$ SELECT 1, 'x' $$;
CREATE FUNCTION echo(json) RETURNS json LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';
CREATE FUNCTION write() RETURNS int LANGUAGE sql VOLATILE
    AS 'INSERT INTO bare VALUES (1) RETURNING a';
CREATE FUNCTION late() RETURNS int LANGUAGE sql SET statement_timeout = '50ms'
    AS 'SELECT 1 FROM pg_sleep(5)';
CREATE FUNCTION nap(seconds float) RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(seconds)';
CREATE FUNCTION same(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION same(a text) RETURNS text LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION total(numbers int[]) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS 'SELECT sum(n) FROM unnest(numbers) AS n';
CREATE FUNCTION joined(VARIADIC parts text[]) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT array_to_string(parts, '+') $$;
CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'boom' USING DETAIL = 'd', HINT = 'h'; END $$;
CREATE FUNCTION teapot() RETURNS int LANGUAGE plpgsql
    AS $$ BEGIN RAISE SQLSTATE 'PT418' USING MESSAGE = 'short and stout'; END $$;
CREATE FUNCTION own() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    RAISE SQLSTATE 'PGRST' USING MESSAGE = '{"code": "123", "message": "m", "hint": "h"}',
        DETAIL = '{"status": 332, "headers": {"X-Own": "o"}}';
END $$;
CREATE FUNCTION told() RETURNS json LANGUAGE sql STABLE AS $$ SELECT json_build_object(
    'role', current_user, 'uid', auth.uid(), 'jwt_role', auth.role(), 'claim', auth.jwt() ->> 'x',
    'header', current_setting('request.headers')::json ->> 'x-mine',
    'method', current_setting('request.method')
) $$;
CREATE FUNCTION status() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('response.status', '202', true);
    PERFORM set_config('response.headers', '[{"X-Told": "yes"}]', true);
    RETURN 1;
END $$;
"""


class Rest(httpx.Client):
    """Calls of one project with one key."""

    def __init__(self, project: Project, key: str) -> None:
        super().__init__(
            base_url=f"{project.url}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            timeout=20.0,
        )

    def ids(self, query: str) -> list[int]:
        """Return the ids that a query of ``person`` finds, in order."""
        answer = self.get(f"/person?select=id&order=id&{query}")
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()]


def prefer(*told: str) -> dict[str, str]:
    return {"Prefer": ",".join(told)}


def error(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error, which has all four fields."""
    told: dict[str, Any] = answer.json()
    assert told.keys() == {"code", "message", "details", "hint"}
    return answer.status_code, told["code"]
