from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.domains.prefixes import end_of
from lamina.domains.words import words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" .,\n*\"'", []),
        ("The quick-brown FOX's 2nd", ["the", "quick", "brown", "fox", "s", "2nd"]),
        ("snake_case", ["snake", "case"]),
        ("Ünïcödé naïve", ["unicode", "naive"]),
        ("u\u0308ber", ["uber"]),
        ("Straße ΣΟΦΟΣ ИЖЕ", ["straße", "σοφοσ", "иже"]),
        ("中文 文本。中", ["中文", "文本", "中"]),
        ("hi🤖there\u202eabc\u200f", ["hi", "there", "abc"]),
    ],
)
def test_words_are_folded_runs_of_letters_and_digits(text: str, found: list[str]) -> None:
    assert words(text) == found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("abzAZ019 .,-_*\"'äÖéñßçøČžЖабвΑβγ中文日本語한글😀", max_size=20))
def test_words_are_those_of_sqlite(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as rows:
        rows.execute(
            "CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 2')"
        )
        rows.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")
        rows.execute("INSERT INTO t VALUES (?)", (text.replace("😀", " "),))

        assert words(text) == [
            word for (word,) in rows.execute("SELECT term FROM v ORDER BY offset")
        ]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TEXT | st.text("a\ud7ff\ue000\U0010ffff", max_size=3), TEXT)
def test_the_end_of_a_prefix_parts_what_begins_with_it_from_what_follows(
    prefix: str, other: str
) -> None:
    end = end_of(prefix)

    assert end is None or end > prefix + "\U0010ffff" * 3
    for key in (prefix + other, other):
        within = key >= prefix and (end is None or key < end)
        assert within == key.startswith(prefix)
    if end is not None:
        end.encode()  # text, no surrogate
        assert not end.startswith(prefix) or not prefix
