"""Rows inside rows of the local Supabase, by way of views, functions and a table's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from supabase_calls import Rest, error, prefer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Supabase

pytestmark = pytest.mark.server

SQL = """
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE book (id int PRIMARY KEY, title text, author_id int REFERENCES author);
CREATE TABLE reader (id int PRIMARY KEY);
CREATE TABLE loan (book_id int REFERENCES book, reader_id int REFERENCES reader,
    PRIMARY KEY (book_id, reader_id));
INSERT INTO author VALUES (1, 'Ann'), (2, 'Bea');
INSERT INTO book VALUES (1, 'A', 1), (2, 'B', 1), (3, 'C', NULL);
INSERT INTO reader VALUES (1);
INSERT INTO loan VALUES (1, 1);
CREATE VIEW shelf AS SELECT id AS number, title, author_id AS "written by" FROM book
    WHERE id IN (SELECT id FROM book);
CREATE VIEW board AS SELECT number, "written by" FROM shelf;
CREATE VIEW titles AS SELECT title FROM book;
CREATE FUNCTION works(author) RETURNS SETOF book LANGUAGE sql STABLE
    AS 'SELECT * FROM book WHERE author_id = $1.id';
CREATE FUNCTION first_work(author) RETURNS SETOF book ROWS 1 LANGUAGE sql STABLE
    AS 'SELECT * FROM book WHERE author_id = $1.id ORDER BY id LIMIT 1';
CREATE TABLE place (id int PRIMARY KEY, within int REFERENCES place);
INSERT INTO place VALUES (1, NULL), (2, 1), (3, 2);
CREATE FUNCTION twice(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


@pytest.fixture(scope="module")
def books(supabase: Supabase) -> Iterator[Rest]:
    project = supabase.project(SQL)
    with Rest(project, project.service_key) as client:
        yield client


INSIDE: dict[str, Any] = {
    "/shelf?select=number,author(name)&number=eq.1": [{"number": 1, "author": {"name": "Ann"}}],
    "/shelf?select=reader(id)&number=eq.1": [{"reader": [{"id": 1}]}],
    "/board?select=author(name)&number=eq.2": [{"author": {"name": "Ann"}}],
    "/author?select=shelf(number)&id=eq.1": [{"shelf": [{"number": 1}, {"number": 2}]}],
    "/author?select=board!inner(number)&board.number=eq.2": [{"board": [{"number": 2}]}],
    "/book?select=author_id(name)&id=eq.1": [{"author_id": {"name": "Ann"}}],
    "/author?select=works(id)&order=id": [{"works": [{"id": 1}, {"id": 2}]}, {"works": []}],
    "/author?select=first_work(id)&order=id": [{"first_work": {"id": 1}}, {"first_work": None}],
    "/author?select=works(title,author(name))&works.id=eq.2&id=eq.1": [
        {"works": [{"title": "B", "author": {"name": "Ann"}}]}
    ],
    "/author?select=id,works!inner(id)&works.id=eq.2": [{"id": 1, "works": [{"id": 2}]}],
    "/place?select=id,place(id)&id=eq.1": [{"id": 1, "place": [{"id": 2}]}],
    "/place?select=id,place!within(id)&id=eq.1": [{"id": 1, "place": [{"id": 2}]}],
    "/place?select=id,within(id)&id=eq.2": [{"id": 2, "within": {"id": 1}}],
    "/book?select=id,author()&or=(author.is.null,id.eq.1)&order=id": [{"id": 1}, {"id": 3}],
    "/book?select=id,author()&not.or=(author.is.null,id.eq.1)": [{"id": 2}],
}


@pytest.mark.parametrize("path", INSIDE)
def test_rows_come_inside(books: Rest, path: str) -> None:
    answer = books.get(path, headers=prefer("count=exact"))

    assert (answer.status_code, answer.json()) == (200, INSIDE[path])


def test_a_view_that_hides_the_key_is_not_linked(books: Rest) -> None:
    assert error(books.get("/titles?select=author(name)")) == (400, "PGRST200")


def test_a_changed_row_comes_with_rows_of_a_function(books: Rest) -> None:
    returned = prefer("return=representation")
    answer = books.patch("/author?id=eq.1&select=works(id)", json={"name": "Ann"}, headers=returned)

    assert answer.json() == [{"works": [{"id": 1}, {"id": 2}]}]


def test_a_view_is_written_by_the_key_of_its_table(books: Rest) -> None:
    sent = {"number": 3, "title": "D"}
    merging = prefer("resolution=merge-duplicates", "return=representation", "tx=rollback")

    assert error(books.post("/shelf", json=sent)) == (409, "23505")
    answer = books.post("/shelf?select=number,title", json=sent, headers=merging)
    assert (answer.status_code, answer.json()) == (200, [sent])


def test_functions_of_one_name_are_told_by_their_types(books: Rest) -> None:
    told = books.post("/rpc/twice", json={"a": 1}).json()["message"]

    assert told.endswith("between: public.twice(a => integer), public.twice(a => text)")
