"""Each key has a name of its own in stores that do not take every name."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.backends.names import Names
from lamina.backends.s3.names import LONGEST, names_of
from lamina.backends.supabase.names import NAMES as SUPABASE
from lamina.testing.samples import NAMES

S3: Final = names_of("in/here/")
STORES: Final = st.sampled_from((SUPABASE, S3))
TAKEN = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)  # what Storage takes
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
SCOPES = st.one_of(st.just(""), TEXTS.filter(lambda text: len(text.encode()) <= 1024))
KEYS = st.one_of(
    TEXTS,
    st.text("a./=~:%s", min_size=1, max_size=9),
    st.text("xж/", min_size=600, max_size=700),
    st.sampled_from(NAMES),
).filter(lambda text: len(text.encode()) <= 1024)


@pytest.mark.parametrize("key", ["a", "photos/2024/cat (1).png", "a.b", "a:b", "A-b_c/d.e", "..a"])
def test_ordinary_keys_are_kept_as_they_are(key: str) -> None:
    assert SUPABASE.name("", key) == key
    assert S3.name("", key) == f"in/here/{key}"


def test_s3_takes_more_as_it_is() -> None:
    for key in ("year=2024/ключ?a&b#c", "/".join(["x" * 255] * 3)):
        assert names_of("").name("", key) == key


@pytest.mark.parametrize("store", [SUPABASE, S3])
def test_all_names_differ(store: Names) -> None:
    scopes = ("", "a", "A", "a/b", ".", "é", "x" * 900, "y" * 900)
    names = [store.name(scope, key) for scope in scopes for key in NAMES]
    assert len({*names}) == len(names)


@given(SCOPES, KEYS)
def test_storage_takes_every_name(scope: str, key: str) -> None:
    name = SUPABASE.name(scope, key)

    assert TAKEN.fullmatch(name), ascii(name)
    assert not re.search(r"%[0-9A-Fa-f]{2}", name)  # the client would decode it


@given(SCOPES, KEYS)
def test_s3_takes_every_name(scope: str, key: str) -> None:
    name = S3.name(scope, key)

    assert len(name.encode()) <= LONGEST
    assert not re.search("[\x00-\x1f\x7f]", name)


@given(STORES, SCOPES, KEYS)
def test_no_segment_is_empty_or_leads_elsewhere(store: Names, scope: str, key: str) -> None:
    segments = store.name(scope, key).split("/")
    assert not {"", ".", ".."} & {*segments}
    assert all(len(segment.encode()) <= 255 for segment in segments)


@given(STORES, SCOPES, KEYS)
def test_a_name_tells_its_key_unless_it_was_cut(store: Names, scope: str, key: str) -> None:
    assert store.key(scope, store.name(scope, key)) in {key, None}
    if len(key.encode()) <= 100:
        assert store.key(scope, store.name(scope, key)) == key


@given(STORES, SCOPES, KEYS, KEYS)
def test_two_keys_share_no_name(store: Names, scope: str, one: str, other: str) -> None:
    assert (store.name(scope, one) == store.name(scope, other)) == (one == other)


@given(STORES, SCOPES, SCOPES, KEYS, KEYS)
def test_two_scopes_share_no_name(
    store: Names, one: str, other: str, key: str, another: str
) -> None:
    if one != other:
        assert store.name(one, key) != store.name(other, another)
        if one and other:
            assert not store.name(one, key).startswith(store.begin(other))


@given(STORES, SCOPES, KEYS, st.integers(0, 1024))
def test_a_stem_leads_to_every_key_that_begins_with_the_prefix(
    store: Names, scope: str, key: str, length: int
) -> None:
    assert store.name(scope, key).startswith(store.stem(scope, key[:length]))
