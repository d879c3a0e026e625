"""What holds for any filter, any number and any order of writes and deletes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.testing.servers.upstash.filtering import condition
from lamina.testing.servers.upstash.filtering.globs import compiled
from lamina.testing.servers.upstash.filtering.paths import MISSING, found_at, steps
from lamina.testing.servers.upstash.reading import parsed
from lamina.testing.servers.upstash.record import Include, Record, numbers
from lamina.testing.servers.upstash.refusals import Refused
from lamina.testing.servers.upstash.slots import Slots
from lamina.testing.servers.upstash.words import stem, terms
from lamina.testing.servers.upstash.writes import merged

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = "HAS not FIELD AND or IN GLOB CONTAINS a b.c d[0] e[#-1] = != < >= ( ) , 1 -2.5 true [ é '"
PIECES = st.sampled_from([*WORDS.split(), "'x'", '"[a-"'])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=9), st.dictionaries(st.sampled_from("abde"), JSON))
def test_any_text_is_a_filter_or_refused(pieces: list[str], metadata: dict[str, Any]) -> None:
    try:
        found = condition(" ".join(pieces))
    except Refused as refused:
        told = refused.text
    else:
        assert isinstance(found(metadata), bool)
        return
    assert told.startswith("Invalid filter. At line 1:")


def globbed(pattern: str, text: str) -> bool:
    """Match the slow way, without brackets."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(globbed(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and globbed(pattern[1:], text[1:])


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?.", max_size=7), st.text("ab.", max_size=7))
def test_globs_match_what_they_should(pattern: str, text: str) -> None:
    assert (compiled(pattern).match(text) is not None) is globbed(pattern, text)


NESTED = {"a": {"b": [1, [2, {"a": 3}], "x"], "c]": 4}, "b": "y", "a-1": [], "d#": [True]}
PATHS = st.text("abcd.[]#-012", min_size=1, max_size=9).map(lambda rest: f"a{rest}")


@settings(max_examples=500, deadline=None)
@given(
    PATHS | st.lists(st.sampled_from(["a", "b", ".b", ".a", "[1]", "[#-1]", "[0]"])).map("".join)
)
def test_paths_lead_where_sqlite_says(path: str) -> None:
    if not path[:1].isalpha():
        return  # the language has no such names
    document = json.dumps(NESTED)
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            query = "SELECT json_type(:json, :path), json_extract(:json, :path)"
            given = {"json": document, "path": f"$.{path}"}
            kind, value = database.execute(query, given).fetchone()
        except sqlite3.OperationalError:
            assert steps(path) is None
            return

    way = steps(path)
    if way is None:  # SQLite looks no further once nothing is there
        assert kind is None
        return
    found = found_at(NESTED, way)
    assert (found is MISSING) is (kind is None)
    if isinstance(found, str | int):
        assert found == value


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6))
def test_printed_numbers_are_json_and_the_same_float32(row: list[float]) -> None:
    text = numbers(np.array(row, dtype=np.float32))

    assert np.array(json.loads(f"[{text}]"), dtype=np.float32).tolist() == row
    assert all(len(each) <= 16 for each in text.split(","))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_json_or_refused(body: bytes) -> None:
    with suppress(Refused):
        assert parsed(body) == (json.loads(body) if body.strip() else None)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(), st.text())
def test_records_are_json_whatever_they_hold(metadata: dict[str, Any], key: str, data: str) -> None:
    record = Record(key, None, None, metadata, data)

    told = json.loads(record.text(Include(True, True, True), 0.5))

    assert told == {"id": key, "score": 0.5, "metadata": metadata, "data": data}


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_a_merged_patch_holds_no_null_of_its_own(old: Any, patch: Any) -> None:
    new = merged(old, patch)

    if not isinstance(patch, dict):
        assert new == patch
    else:
        assert isinstance(new, dict)
        assert not any(patch[name] is None for name in patch.keys() & new.keys())
        kept = old.keys() - patch.keys() if isinstance(old, dict) else set()
        assert all(new[name] == old[name] for name in kept)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "page"]), st.integers(0, 9)), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_pages_neither_skip_nor_repeat_while_records_come_and_go(
    steps: list[tuple[str, int]], limit: int
) -> None:
    slots, read, cursor = Slots(), list[int](), 0
    born: dict[str, int] = {}  # id: its slot, while it lives

    def page() -> bool:
        nonlocal cursor
        found = list(slots.since(cursor))[: limit + 1]
        read.extend(record.slot for record in found[:limit])
        cursor = found[limit].slot if len(found) > limit else cursor
        return len(found) > limit

    for step, n in steps:
        if step == "put":
            record = Record(str(n), None, None, None, None)
            slots.put(record)
            assert record.slot == born.setdefault(str(n), record.slot)
        elif step == "drop":
            assert slots.drop(str(n)) is (born.pop(str(n), None) is not None)
        elif not page():
            read.clear()  # the end: begin anew
            cursor = 0
    while page():
        pass

    assert read == sorted(set(read))
    assert set(born.values()) <= {*read}
    assert slots.size == len(born)  # one letter each


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_terms_have_no_stop_words_and_no_blanks(text: str) -> None:
    for term in terms(text):
        assert term
        assert term == term.strip()
        assert stem(term)


def test_plural_past_and_present_have_one_stem() -> None:
    families = ["connect connects connected connecting", "hop hops hopped hopping"]
    families += ["make makes making", "city cities", "create created creates", "class classes"]
    for family in families:
        assert len({stem(word) for word in family.split()}) == 1, family
    assert terms("The cat's TOYS are on 3 tables") == ["cat", "toi", "3", "table"]
