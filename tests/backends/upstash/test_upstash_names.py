"""No scope and no namespace, however hostile, reaches another or another endpoint."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.backends.upstash.names import LONGEST, name_of, namespace_of
from lamina.errors import Invalid
from lamina.testing.contracts import drawn
from lamina.testing.samples import NAMES
from lamina.testing.servers import Upstash
from lamina.values import Vector

HOSTILE = (
    "../reset?all",
    "../info",
    "..",
    ".",
    "...",
    "a/b",
    "a?b=1",
    "a#b",
    "a%2Fb",
    "%2e%2e",
    "a\nb",
    "a b",
    "_l.",
    "_l.a.b",
    "_l.acme.x",
    "_L.a.b",
    "_2E",
    "_",
    "-",
    "é",
    "e\u0301",
    "\u202e",
    "\\..\\",
    "?all",
)
ONE = Vector.of([1.0, 0.0])
SPACES = [*HOSTILE, "", "a", "A", "a.b", *NAMES]


def test_every_namespace_of_every_scope_has_a_safe_name_of_its_own() -> None:
    scopes = ["", "a", "A", "acme", "a.b", "..", "_l", "_l.", "a_2E", "é", "a/b"]
    pairs = [(scope, space) for scope in scopes for space in SPACES if len(space) < 100]
    names = [name_of(*pair) for pair in pairs]

    assert len(set(names)) == len(set(pairs))
    assert all(re.fullmatch(r"([A-Za-z0-9_-][A-Za-z0-9._-]*)?", name) for name in names)
    for (scope, space), name in zip(pairs, names, strict=True):
        for other in scopes:
            assert namespace_of(other, name) == (space if other == scope else None)


def test_a_safe_namespace_of_no_scope_keeps_its_name() -> None:
    for space in ("", "a", "my-namespace", "my_namespace.v2", "0", "_x", "-"):
        assert name_of("", space) == space


@given(drawn.texts(st), drawn.texts(st), st.sampled_from(["", "a"]), st.sampled_from(["", "_l.a."]))
def test_any_text_comes_back_from_its_name(scope: str, space: str, one: str, two: str) -> None:
    for pair in ((scope, space), (one, space), (scope, two), (one, two + space)):
        try:
            name = name_of(*pair)
        except Invalid:
            continue
        assert namespace_of(pair[0], name) == pair[1]
        assert len(name) <= LONGEST


def test_names_that_nobody_here_gave_are_no_namespaces() -> None:
    for name in ("_l.", "_l.a", "_l.a.b.c", "_l._zz.a", "_l._2e.a", "_l._61.a", "_l._FF.a", "a b"):
        for scope in ("", "a", "."):
            assert namespace_of(scope, name) is None
    assert namespace_of("", "_l..safe") is None  # it would have kept its name


def test_what_is_too_long_or_no_text_is_refused() -> None:
    assert len(name_of("", "a" * LONGEST)) == LONGEST
    for pair in (("", "a" * 1025), ("é" * 512, ""), ("", "\ud800"), ("\ud800", ""), ("", "a\0")):
        with pytest.raises(Invalid) as caught:
            name_of(*pair)
        assert caught.value.sent == "no"


@pytest.mark.server
async def test_hostile_names_stay_within_their_namespace_and_scope(upstash: Upstash) -> None:
    url, token = upstash.index("dense")
    async with Stack().over(UpstashVectors(url, token)) as store:
        await store.set("kept", ONE)
        await store.set("kept", ONE, namespace="safe")
        views = [store, store.scoped("acme"), store.scoped("../reset?all")]
        for view in views:
            for space in HOSTILE:
                await view.set("x", ONE, namespace=space, metadata={"space": space})
        for view in views:
            for space in HOSTILE:
                found = await view.search(ONE, namespace=space)
                assert [(one.id, one.metadata["space"]) for one in found] == [("x", space)]
        assert await views[1].namespaces() == tuple(sorted(HOSTILE))

        for space in HOSTILE:
            assert await views[1].delete_where(None, namespace=space) == 1

        assert await views[1].namespaces() == ()
        assert await views[2].namespaces() == tuple(sorted(HOSTILE))
        assert await store.namespaces() == tuple(sorted([*HOSTILE, "", "safe"]))
        assert await store.get("kept") is not None


@pytest.mark.server
async def test_what_another_program_wrote_is_read_under_its_own_name(upstash: Upstash) -> None:
    from upstash_vector import AsyncIndex

    url, token = upstash.index("dense")
    bare = AsyncIndex(url, token, retries=0)
    try:
        await bare.upsert([("1", [1.0, 0.0], {"n": 1}, "words")], namespace="my-docs.v2")
        await bare.upsert([("2", [1.0, 0.0])], namespace="no%20name%20of%20ours")
        async with Stack().over(UpstashVectors(url + "/", token)) as store:
            found = await store.get("1", namespace="my-docs.v2")
            assert found is not None
            assert (found.vector, found.text, dict(found.metadata)) == (ONE, "words", {"n": 1})
            assert await store.namespaces() == ("my-docs.v2",)
            await store.set("2", ONE, namespace="my-docs.v2")
        told = await bare.fetch(["2"], namespace="my-docs.v2")
        assert told[0] is not None
    finally:
        await bare._client.aclose()
