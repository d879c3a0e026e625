"""Each key has a name of its own in Storage, which takes only some characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.backends.supabase.names import begin_of, key_of, name_of, stem_of
from lamina.testing.samples import NAMES

TAKEN = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)  # what Storage takes
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
SCOPES = st.one_of(st.just(""), TEXTS.filter(lambda text: len(text.encode()) <= 1024))
KEYS = st.one_of(TEXTS, st.text("a./=~:%", min_size=1, max_size=9), st.sampled_from(NAMES)).filter(
    lambda text: len(text.encode()) <= 1024
)


@pytest.mark.parametrize("key", ["a", "photos/2024/cat (1).png", "a.b", "a:b", "A-b_c/d.e", "..a"])
def test_ordinary_keys_are_kept_as_they_are(key: str) -> None:
    assert name_of("", key) == key


def test_all_names_differ() -> None:
    scopes = ("", "a", "A", "a/b", ".", "é", "x" * 900, "y" * 900)
    names = [name_of(scope, key) for scope in scopes for key in NAMES]
    assert len({*names}) == len(names)


@given(SCOPES, KEYS)
def test_storage_takes_every_name(scope: str, key: str) -> None:
    name = name_of(scope, key)

    assert TAKEN.fullmatch(name), ascii(name)
    assert len(name) <= 900
    assert not {"", ".", ".."} & {*name.split("/")}
    assert not re.search(r"%[0-9A-Fa-f]{2}", name)  # the client would decode it


@given(SCOPES, KEYS)
def test_a_name_tells_its_key_unless_it_was_cut(scope: str, key: str) -> None:
    assert key_of(scope, name_of(scope, key)) in {key, None}
    if len(key.encode()) <= 150:
        assert key_of(scope, name_of(scope, key)) == key


@given(SCOPES, KEYS, KEYS)
def test_two_keys_share_no_name(scope: str, one: str, other: str) -> None:
    assert (name_of(scope, one) == name_of(scope, other)) == (one == other)


@given(SCOPES, SCOPES, KEYS, KEYS)
def test_two_scopes_share_no_name(one: str, other: str, key: str, another: str) -> None:
    if one != other:
        assert name_of(one, key) != name_of(other, another)
        if one and other:
            assert not name_of(one, key).startswith(begin_of(other))


@given(SCOPES, KEYS, st.integers(0, 1024))
def test_a_stem_leads_to_every_key_that_begins_with_the_prefix(
    scope: str, key: str, length: int
) -> None:
    assert name_of(scope, key).startswith(stem_of(scope, key[:length]))
