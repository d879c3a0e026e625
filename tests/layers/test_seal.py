"""Seal: keys, rotation, what is refused, and what is never shown."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue
from lamina.domains.documents import ReadMany
from lamina.domains.keyvalue import Get, GetMany, GetStampedMany, KeyValue
from lamina.domains.vectors import FetchMany
from lamina.errors import BatchFailed, Corrupt, StackError, Unavailable
from lamina.layers.seal import Seal
from lamina.layers.seal.keys import Key
from lamina.stack import Stack
from lamina.testing.contracts import LayerContract
from lamina.testing.scripted import ScriptedDocuments, ScriptedKeyValue, ScriptedVectors
from lamina.values import Done, Failed

KEY = Seal.new_key()
OTHER = Seal.new_key()
SHORT = urlsafe_b64encode(b"x" * 16).decode()


class TestSealOfNothing(LayerContract):
    """Over what is not sealed, which it is told to allow, it changes no answer."""

    def layer(self) -> Seal:
        return Seal(KEY, allow_plain=True)

    @pytest.mark.parametrize("domain", ["keyvalue", "documents", "vectors"])
    async def test_changes_no_answer(self, domain: str) -> None:
        await super().test_changes_no_answer(domain)  # etags of media are of the sealed bytes


def over(backend: Any, *keys: str, allow_plain: bool = False) -> KeyValue:
    return Stack(Seal(list(keys), allow_plain=allow_plain)).over(backend)


@pytest.mark.parametrize(
    "keys",
    [
        *("", "passphrase", "correct horse battery staple", SHORT, KEY[:-2], KEY + "A", KEY + "="),
        *(f" {KEY}", f"{KEY}\n", "é" * 44, "\ud800", None, 5, True, 1.5, b"", b"x" * 32, {KEY}),
        *([], (), [KEY, KEY], [KEY, ""], [KEY, None], [[KEY]], "A" * 43 + "="),
        urlsafe_b64encode(b"passwordpasswordpasswordpassword").decode(),
        urlsafe_b64encode(b"correct horse battery staple 123").decode(),
    ],
    ids=lambda _: "keys",  # numbered: most are drawn anew in each run
)
def test_refuses_what_is_no_strong_key_and_does_not_show_it(keys: Any) -> None:
    with pytest.raises(StackError, match="Seal: keys") as caught:
        Seal(keys)
    told = f"{caught.value} {caught.value.__notes__ if hasattr(caught.value, '__notes__') else ''}"
    for key in keys if isinstance(keys, list) else [keys]:
        assert not (isinstance(key, str) and len(key) > 8 and key in told)
    assert KEY not in told


@pytest.mark.parametrize("flag", [1, 0, "yes", None, [True]])
def test_refuses_an_option_that_is_no_flag(flag: Any) -> None:
    with pytest.raises(StackError, match="allow_plain must be True or False"):
        Seal(KEY, allow_plain=flag)


def test_takes_keys_as_text_or_bytes_with_or_without_padding() -> None:
    given: list[Any] = [KEY, KEY.encode(), KEY.rstrip("="), [KEY], (KEY,)]

    assert all(Seal(one) == Seal(KEY) for one in given)
    assert Seal(KEY) != Seal(OTHER)
    assert Seal([KEY, OTHER]) != Seal([OTHER, KEY])
    assert Seal(Seal(KEY).keys) == Seal(KEY)  # type: ignore[arg-type]  # as options are read back


def test_new_keys_are_32_random_bytes() -> None:
    keys = {Seal.new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(len(urlsafe_b64decode(key)) == 32 for key in keys)


async def test_shows_its_keys_nowhere() -> None:
    store = over(MemoryKeyValue(), KEY, OTHER)
    await store.set("a", b"1")
    layer = store.bound.layer(Seal)
    assert layer is not None
    secrets = [KEY, OTHER, *(urlsafe_b64decode(key).hex() for key in (KEY, OTHER))]
    with pytest.raises(Corrupt) as caught:
        await over(scripted_with(b"junk"), KEY).get("a")

    shown = [
        *(repr(layer), str(layer.options()), repr(copy.copy(layer)), repr(store.bound.plan())),
        *(str(store.bound.plan()), store.bound.plan().to_json(), repr(layer.status())),
        *(repr(Stack(layer)), str(caught.value), repr(caught.value), repr(vars(layer))),
    ]
    for text in shown:
        assert not any(secret in text for secret in secrets), text
    assert repr(Seal(KEY)).startswith("Seal((<key ")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
async def test_writes_its_keys_into_no_pickle(protocol: int) -> None:
    stack = Stack(Seal(KEY))

    for holder in (Seal(KEY).keys[0], Seal(KEY), stack, stack.over(MemoryKeyValue()).bound):
        with pytest.raises(TypeError):
            pickle.dumps(holder, protocol)
    assert copy.deepcopy(stack) == stack


def scripted_with(value: bytes) -> ScriptedKeyValue:
    backend = ScriptedKeyValue()
    backend.expect(Get).returns(value).always()
    return backend


def test_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)

    with pytest.raises(StackError, match=r"pip install lamina\[seal\]"):
        Stack(Seal(KEY)).over(MemoryKeyValue())


async def test_the_first_key_seals_and_all_of_them_open() -> None:
    backend = MemoryKeyValue()
    old = over(backend, KEY)
    await old.set("a", b"1", ttl=100)
    rotating = over(backend, OTHER, KEY)
    await rotating.set("b", b"2")

    assert await rotating.get_many(["a", "b"]) == (b"1", b"2")
    assert await over(backend, KEY, OTHER).get_many(["a", "b"]) == (b"1", b"2")
    assert await over(backend, OTHER).get("b") == b"2"
    with pytest.raises(Corrupt, match=repr(Seal(KEY).keys[0].id.hex())[1:-1]):
        await over(backend, OTHER).get("a")


async def test_writing_a_value_in_its_own_place_seals_it_with_the_new_key() -> None:
    backend = MemoryKeyValue()
    await over(backend, KEY).append("a", 1, idempotency="once")
    rotating = over(backend, OTHER, KEY)

    value = await rotating.get("a", fresh=True)
    assert value is not None
    await rotating.compare_and_set("a", value, value)

    new = over(backend, OTHER)
    assert await new.get("a") == b"[1]"
    assert await new.append("a", 1, idempotency="once") == 1  # what was noted went along


async def test_tells_which_keys_are_still_in_use() -> None:
    backend = MemoryKeyValue()
    await over(backend, KEY).set("a", b"1")
    store = over(backend, OTHER, KEY)
    await store.set("b", b"2")
    await store.get_many(["a", "b", "b", "none"])
    layer = store.bound.layer(Seal)
    assert layer is not None

    status = layer.status()

    old, new = Seal(KEY).keys[0].id.hex(), Seal(OTHER).keys[0].id.hex()
    assert (status.sealing, status.sealed) == (new, 1)
    assert status.opened == {old: 1, new: 2}
    assert (status.plain, status.refused) == (0, 0)


@pytest.mark.parametrize("value", [b"", b"plain", b"{}", b"\xa7", b"\xa7Seal", b"\xa7Seal\x01"])
async def test_refuses_what_is_not_sealed(value: bytes) -> None:
    backend = MemoryKeyValue()
    await Stack().over(backend).set("a", value)
    store = over(backend, KEY)

    with pytest.raises(Corrupt) as caught:
        await store.get("a")
    assert (caught.value.layer, caught.value.transient) == ("seal", False)
    with pytest.raises(BatchFailed) as failed:
        await store.get_many(["a"])
    assert isinstance(failed.value.outcomes[0], Failed)
    with pytest.raises(Corrupt):
        await store.append("a", 1)
    with pytest.raises(Corrupt):
        await store.increment("a")
    with pytest.raises(Corrupt):
        await store.compare_and_set("a", value, b"new")
    assert await Stack().over(backend).get("a") == value


async def test_reads_what_is_not_sealed_while_that_is_allowed_and_seals_what_is_written() -> None:
    backend = MemoryKeyValue()
    plain = Stack().over(backend)
    await plain.set("a", b"1")
    await plain.append("list", 1)
    store = over(backend, KEY, allow_plain=True)

    assert await store.get("a") == b"1"
    assert await store.append("list", 2) == 2
    await store.compare_and_set("a", b"1", b"2")

    strict = over(backend, KEY)
    assert await strict.get_many(["a", "list"]) == (b"2", b"[1,2]")


async def test_one_bad_item_of_a_batch_leaves_the_others() -> None:
    backend = MemoryKeyValue()
    store = over(backend, KEY)
    await store.set_many({"a": b"1", "c": b"3"})
    await Stack().over(backend).set("b", b"plain")

    told = await store.bound.send(GetMany(("a", "b", "c", "none")))

    assert [getattr(one, "value", "failed") for one in told] == [b"1", "failed", b"3", None]

    await store.expire("a", 5)
    asked = await store.bound.send(GetStampedMany(("a", "b", "c", "none")))

    stamps = [one.value if isinstance(one, Done) else None for one in asked]
    assert stamps[1] is None
    assert [stamp.value for stamp in stamps if stamp] == [b"1", b"3", None]
    assert [stamp.expires_at is None for stamp in stamps if stamp] == [False, True, True]


@pytest.mark.parametrize("answers", [0, 1, 3])
@pytest.mark.parametrize(
    ("scripted", "ask"),
    [
        (ScriptedKeyValue, GetMany(("a", "b"))),
        (ScriptedKeyValue, GetStampedMany(("a", "b"))),
        (ScriptedDocuments, ReadMany(("a", "b"))),
        (ScriptedVectors, FetchMany(("a", "b"))),
    ],
    ids=["keyvalue", "keyvalue stamped", "documents", "vectors"],
)
async def test_a_batch_with_more_or_fewer_answers_is_corrupt(
    scripted: Any, ask: Any, answers: int
) -> None:
    backend = scripted()
    backend.expect(type(ask)).returns((Done(None),) * answers)

    with pytest.raises(Corrupt, match=f"2 were asked for and {answers} answered"):
        await over(backend, KEY).bound.send(ask)


async def test_lets_the_failure_of_the_backend_through_as_it_is() -> None:
    backend = ScriptedKeyValue()
    error = Unavailable("down")
    backend.expect(Get).raises(error)

    with pytest.raises(Unavailable) as caught:
        await over(backend, KEY).get("a")
    assert caught.value is error


async def test_large_values_leave_the_loop_to_others() -> None:
    store = over(MemoryKeyValue(), KEY)

    for size, waits in ((1000, False), (2_000_000, True)):
        for work in (store.set("a", b"text" * (size // 4)), store.get("a")):
            call = asyncio.ensure_future(work)
            await asyncio.sleep(0)
            assert call.done() is not waits, "a thread has it, the backend in memory never waits"
            await call


async def test_two_documents_with_the_same_content_look_different() -> None:
    backend = MemoryDocuments()
    store = Stack(Seal(KEY)).over(backend)
    await store.set("a", "same")
    await store.set("b", "same")

    stored = [one.content async for one in Stack().over(backend).scan()]

    assert len(set(stored)) == 2


def test_key_ids_differ_and_give_nothing_away() -> None:
    one, other = Key(b"\1" * 32), Key(b"\2" * 32)

    assert one.id != other.id
    assert one.of_message(b"salt") != one.of_message(b"other")
    assert one.id not in one.of_message(b"")
