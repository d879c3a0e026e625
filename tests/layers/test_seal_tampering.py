"""Whatever somebody does to sealed bytes: the content that was written there, or Corrupt."""

from __future__ import annotations

import types
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from secrets import token_bytes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers.mutants import mutant

from lamina.errors import Corrupt
from lamina.layers.seal import Seal, core, frames
from lamina.layers.seal.cipher import Cipher
from lamina.layers.seal.core import Sealer
from lamina.layers.seal.keys import Key

KEYS = tuple(Key(urlsafe_b64decode(Seal.new_key())) for _ in range(2))
HERE = ("keyvalue", "acme", "a")
PLACES = [
    *(("keyvalue", "acme", "b"), ("keyvalue", "other", "a"), ("keyvalue", "", "a")),
    *(("vectors", "acme", "a"), ("documents", "acme", "id", "a"), ("keyvalue", "acmea", "")),
]


def sealer(module: Any = core, *keys: Key, allow_plain: bool = False) -> Sealer:
    made: Sealer = module.Sealer(keys or KEYS, Cipher(), token_bytes, allow_plain=allow_plain)
    return made


def opens(one: Callable[[], object]) -> bool:
    """Tell whether it gives an answer; anything but Corrupt comes out."""
    try:
        one()
    except Corrupt:
        return False
    return True


def check_messages(module: Any) -> None:
    """Check each way in which a message can be changed or moved."""
    one = sealer(module)
    stored = one.encode(b"content", HERE, b"notes")
    assert one.decode(stored, HERE) == (b"content", b"notes")
    assert b"content" not in stored
    assert stored != one.encode(b"content", HERE, b"notes"), "no two messages are equal"
    for place in PLACES:
        assert not opens(lambda place=place: one.decode(stored, place)), place
    for changed in changes(stored):
        assert not opens(lambda changed=changed: one.decode(changed, HERE)), changed
    older = sealer(module, KEYS[1], KEYS[0])
    assert older.decode(stored, HERE)[0] == b"content"
    assert not opens(lambda: sealer(module, KEYS[1]).decode(stored, HERE))
    other = stored[:7] + KEYS[1].id + stored[15:]
    assert not opens(lambda: one.decode(other, HERE)), "another key than it was sealed with"
    assert not opens(lambda: one.decode(b"plain", HERE))


def changes(stored: bytes) -> Iterator[bytes]:
    for at in range(len(stored)):
        yield stored[:at]
        yield stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        yield stored[:at] + bytes([stored[at] ^ 128]) + stored[at + 1 :]
        yield stored[:at] + b"\0" + stored[at:]
    yield stored + b"\0"
    yield stored + stored


def test_a_message_is_opened_only_unchanged_and_only_where_it_was_sealed() -> None:
    check_messages(core)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return self.lock(self.first, body, head + about(place), head)",
         "return self.lock(self.first, body, head, head)"),
        ('return "\\0".join(place).encode()', 'return "".join(place).encode()'),
        ('return self.plain(stored), b""', 'return stored, b""'),
        ("salt = self._chance(SALT)", "salt = bytes(SALT)"),
    ],
    ids=["place", "separator", "plain", "salt"],
)  # fmt: skip
def test_a_seal_that_forgets_something_is_found_out(old: str, new: str) -> None:
    module = mutant(core, old, new)
    if "head, head)" in new:
        _unbind(module)

    with pytest.raises(AssertionError):
        check_messages(module)


def _unbind(module: types.ModuleType) -> None:
    """Forget the place when opening too, else nothing opens."""
    module.__dict__["about"] = lambda place: b""


@given(st.binary(max_size=200), st.text(max_size=50), st.binary(max_size=100))
def test_any_content_comes_back(data: bytes, text: str, notes: bytes) -> None:
    one = sealer()

    assert one.decode(one.encode(data, HERE, notes), HERE) == (data, notes)
    assert one.decode_text(one.encode_text(text, HERE), ("x",), HERE) == text


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=100),
        st.binary(max_size=100).map(lambda rest: core.MAGIC + rest),
        st.binary(max_size=100).map(lambda rest: core.MAGIC + KEYS[0].id + rest),
    )
)
def test_garbage_is_corrupt(data: bytes) -> None:
    assert not opens(lambda: sealer().decode(data, HERE))


@given(
    st.one_of(
        st.text(max_size=100), st.text(max_size=100).map(lambda rest: "lamina:sealed:1:" + rest)
    )
)
def test_garbage_in_place_of_text_is_corrupt(text: str) -> None:
    assert not opens(lambda: sealer().decode_text(text, HERE))


def test_sealed_text_changed_or_moved_is_corrupt() -> None:
    one = sealer()
    stored = one.encode_text("content é", HERE)

    for place in PLACES:
        assert not opens(lambda place=place: one.decode_text(stored, place))
    for at in range(len(stored)):
        changed = stored[:at] + ("A" if stored[at] != "A" else "B") + stored[at + 1 :]
        if not opens(lambda changed=changed: one.decode_text(changed, HERE)):
            continue
        assert one.decode_text(changed, HERE) == "content é", at  # unused bits of base64


STEP = 4 + frames.OVERHEAD
SIZES = [0, 1, 3, 4, 5, 8, 9, 12, 13]


def check_frames(module: Any) -> None:
    """Check objects of frames of 4 bytes: every cut, swap and splice is noticed."""
    module.__dict__["FRAME"], module.__dict__["SEALED"] = 4, STEP
    one = module.Frames(sealer())
    for size in SIZES:
        check_object(one, bytes(range(size)))
    longer = one.seal(one.marker(b"m" * 16), HERE, bytes(8), 0)
    assert not opens(lambda: whole(one, one.marker(b"m" * 16), longer)), "it has no end"


def check_object(one: Any, data: bytes) -> None:
    mine, other = one.marker(b"m" * 16), one.marker(b"o" * 16)
    sealed = one.seal_end(mine, HERE, data, 0)
    assert one.size(len(sealed)) == len(data)
    assert whole(one, mine, sealed) == data
    assert not opens(lambda: whole(one, other, sealed))
    assert not opens(lambda: one.open(mine, PLACES[0], sealed, 0))
    for cut in range(len(sealed)):
        assert not opens(lambda cut=cut: whole(one, mine, sealed[:cut])), cut
    assert not opens(lambda: one.size(-1))
    parts = [sealed[at : at + STEP] for at in range(0, len(sealed), STEP)]
    again = one.seal_end(other, HERE, data, 0)
    for at in range(len(parts) - 1):
        swapped = [*parts[:at], parts[at + 1], parts[at], *parts[at + 2 :]]
        missing = [*parts[:at], *parts[at + 1 :]]
        spliced = [*parts[:at], again[at * STEP : (at + 1) * STEP], *parts[at + 1 :]]
        for changed in (swapped, missing, spliced):
            assert not opens(lambda changed=changed: whole(one, mine, b"".join(changed))), at


def whole(one: Any, marker: Any, sealed: bytes) -> bytes:
    assert one.size(len(sealed)) >= 0
    opened: bytes = one.open(marker, HERE, sealed, 0)
    return opened


def test_frames_are_opened_only_where_and_in_what_they_were_sealed() -> None:
    check_frames(mutant(frames, "_VERSION: Final", "_VERSION: Final"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('number.to_bytes(8, "big")', 'b""'),
        ("marker.object, about(place)", "about(place)"),
        ("marker.object, about(place)", "marker.object"),
        ("if stored < OVERHEAD or rest < OVERHEAD:", "if False:"),
    ],
    ids=["number", "object", "place", "size"],
)
def test_frames_that_forget_something_are_found_out(old: str, new: str) -> None:
    with pytest.raises(AssertionError):
        check_frames(mutant(frames, old, new))
