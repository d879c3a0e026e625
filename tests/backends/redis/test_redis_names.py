"""Keys and scopes never meet in the server, and what belongs together shares a slot."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from redis.crc import key_slot

from lamina.backends.redis.address import Address, address
from lamina.backends.redis.names import key_of, once_of, pattern, proof_of, slot_of, wire
from lamina.backends.redis.scans import Tour
from lamina.backends.redis.slots import Slots, read, written
from lamina.backends.redis.wire import milliseconds, pack, pack_set
from lamina.errors import Corrupt, Invalid, StackError
from lamina.testing.samples import NAMES

OFTEN = settings(max_examples=300, deadline=None, database=None, derandomize=True)
LETTERS = some.characters(exclude_characters="\0", exclude_categories=["Cs"])
KEYS = some.text(some.sampled_from("{}ab:\\*/.") | LETTERS, min_size=1, max_size=12)
SCOPES = some.just("") | KEYS


@OFTEN
@given(scope=SCOPES, key=KEYS, other=some.tuples(SCOPES, KEYS))
def test_no_two_keys_have_one_name(scope: str, key: str, other: tuple[str, str]) -> None:
    assume((scope, key) != other)
    assert wire(scope, key) != wire(*other)
    assert key_of(scope, wire(scope, key)) == key


@OFTEN
@given(scope=SCOPES, key=KEYS, another=KEYS)
def test_what_is_kept_beside_a_list_is_in_its_slot_and_is_no_key(
    scope: str, key: str, another: str
) -> None:
    name = wire(scope, key)
    for beside in (proof_of(name), once_of(name, another)):
        assert key_slot(beside) == key_slot(name) == slot_of(name)
        assert key_of("", beside) is None
        assert beside != wire(scope, another)
        assert not scope or not beside.startswith(wire(scope, ""))
    assert proof_of(name) != once_of(name, another)


@pytest.mark.parametrize("name", [*NAMES, "{}", "a{}b", "}{", "{{a}}", "}a{", "{a}b}", "a{b", "}"])
def test_slots_are_those_of_the_client_library(name: str) -> None:
    assert slot_of(name.encode()) == key_slot(name.encode())
    assert key_slot(proof_of(name.encode())) == key_slot(name.encode())


def test_an_unscoped_key_goes_to_the_wire_byte_for_byte() -> None:
    for name in (*NAMES, "conv:prev:42", "lamina", "lamina:acme:a", "lamina.proof"):
        assert wire("", name) == name.encode()


@pytest.mark.parametrize("name", [b"", b"\xff", b"a\0b", b"x" * 1025, b"lamina\0acme\0a"])
def test_names_that_cannot_be_keys_are_passed_over(name: bytes) -> None:
    assert key_of("", name) is None


def test_a_pattern_takes_every_letter_for_itself() -> None:
    assert pattern("", "a*?[b-c]^\\") == b"a\\*\\?\\[b\\-c\\]\\^\\\\*"
    assert pattern("", "") == b"*"
    assert pattern("s", "k") == b"lamina\0s\0k*"


@pytest.mark.parametrize(
    ("ttl", "told"),
    [
        (1e-9, b"1"),
        (0.0004, b"1"),
        (0.0016, b"2"),
        (0.07, b"70"),
        (2, b"2000"),
        (86400.0, b"86400000"),
        (1e308, b"1000000000000000"),
    ],
)
def test_a_time_is_told_in_whole_milliseconds(ttl: float, told: bytes) -> None:
    assert milliseconds(ttl) == told


def test_large_words_are_not_copied() -> None:
    large = bytes(100_000)
    packed = pack(b"EVAL", large)
    assert isinstance(packed, list)
    assert any(piece is large for piece in packed)
    assert b"".join(packed) == b"*2\r\n$4\r\nEVAL\r\n$100000\r\n" + large + b"\r\n"
    assert any(piece is large for piece in pack_set(b"a", large, 1.0))
    assert pack_set(b"a", b"1", 1) == pack(b"SET", b"a", b"1", b"PX", b"1000")
    assert pack_set(b"a", b"", None) == pack(b"SET", b"a", b"")


class TestAddress:
    def test_reads_hosts_login_and_database(self) -> None:
        assert address("redis://h", "standalone") == Address((("h", 6379),))
        read = address("redis://me:p%40ss@[::1]:7000,two/3", "sentinel")
        assert read.hosts == (("::1", 7000), ("two", 26379))
        assert read.login == {"username": "me", "password": "p@ss"}
        assert read.database == 3
        assert address("redis://:secret@h/", "cluster").login == {"password": "secret"}

    def test_reads_tls_sockets_and_options(self) -> None:
        tls = address("rediss://h:1?ca=/a%20b.pem&cert=c&key=k", "standalone")
        assert tls.tls
        assert tls.files == {"ssl_ca_certs": "/a b.pem", "ssl_certfile": "c", "ssl_keyfile": "k"}
        unix = address("unix://:secret@/run/redis.sock?db=2", "standalone")
        assert (unix.path, unix.database, unix.hosts) == ("/run/redis.sock", 2, ())
        watched = address("redis://:a@h?sentinel_password=b", "sentinel")
        assert watched.sentinel_login == {"password": "b"}
        watched = address("redis://h?sentinel_password=a+b%2Fc%3D", "sentinel")
        assert watched.sentinel_login == {"password": "a+b/c="}

    @pytest.mark.parametrize("password", ["p@ss", "a:b", "100%", "+", "ü", "@", "::", "a@b:c@d"])
    def test_reads_a_password_of_any_letters(self, password: str) -> None:
        for told in (password, quote(password, safe="")):
            read = address(f"redis://me:{told}@[fe80::1%25eth0]:1/0", "standalone")
            assert read.login == {"username": "me", "password": password}
            assert read.hosts == (("fe80::1%eth0", 1),)

    def test_tells_that_special_letters_are_to_be_encoded(self) -> None:
        for letter in "#?/[":
            with pytest.raises(StackError, match="percent-encoded"):
                address(f"redis://:a{letter}b@localhost", "standalone")

    def test_shows_no_secret(self) -> None:
        told = repr(address("redis://me:hush@h?sentinel_password=hush", "sentinel"))
        assert "hush" not in told

    @pytest.mark.parametrize(
        "url",
        [
            *("", "hush", "http://h:hush@h", "redis://", "redis://:hush@", "redis://:hush@h:x"),
            *(
                "redis://:hush@h:0",
                "redis://:hush@h:65536",
                "redis://:hush@h/one",
                "redis://h#hush",
            ),
            *("redis://:hush@h,", "redis://:hush@[::1", "redis://:hush@a,b", "redis://h?hush"),
            *("redis://h?hush=1", "redis://h?ca=hush", "redis://h/-1", "unix://hush", "unix://"),
            *("unix://hush@h/s", "unix:///s?hush=1", "redis://:hush@\u2100/", "redis://h:٣"),
            "redis://:hush@h:" + "1" * 5000,
        ],
    )
    def test_refuses_a_wrong_url_and_shows_nothing_of_it(self, url: str) -> None:
        with pytest.raises(StackError) as caught:
            address(url, "standalone")
        error = caught.value
        assert "hush" not in f"{error} {error!r}"
        assert error.__suppress_context__ or error.__context__ is None

    def test_refuses_what_does_not_fit_the_topology(self) -> None:
        with pytest.raises(StackError, match="database 0 only"):
            address("redis://h/1", "cluster")
        with pytest.raises(StackError, match="unix socket"):
            address("unix:///s", "cluster")
        with pytest.raises(StackError, match="2 hosts"):
            address("redis://a,b", "standalone")
        with pytest.raises(StackError, match="option"):
            address("redis://a?sentinel_password=x", "cluster")


class TestSlots:
    ONE, TWO = ("one", 1), ("two", 2)

    def test_reads_who_holds_what(self) -> None:
        told = Slots.told(
            [[0, 99, [b"one", 1, b"id"], [b"replica", 3]], [200, 16383, [b"", 2, b"id", []]]],
            ("two", 9),
        )
        assert [told.owner(slot) for slot in (0, 99, 100, 199, 200)] == [
            *(self.ONE, self.ONE, None, None, self.TWO)
        ]
        assert told.hosts() == [self.ONE, self.TWO]
        assert told.of(self.ONE) == frozenset(range(100))

    @pytest.mark.parametrize(
        "answer", [None, b"OK", [1], [[0, 1]], [[0, 20000, [b"a", 1]]], [[b"x", 1, [b"a", 1]]]]
    )
    def test_refuses_what_tells_no_slots(self, answer: object) -> None:
        with pytest.raises(Corrupt):
            Slots.told(answer, self.ONE)

    @OFTEN
    @given(slots=some.frozensets(some.integers(0, 40) | some.integers(16380, 16383)))
    def test_are_written_and_read_again(self, slots: frozenset[int]) -> None:
        assert read(written(slots)) == slots

    @pytest.mark.parametrize("text", ["1", "a-b", "2-1", "0-16384", "0-1,", ",", "0-1;", "-"])
    def test_cannot_be_read_from_other_text(self, text: str) -> None:
        assert read(text) is None


@pytest.mark.parametrize(
    "cursor", ["", "x", ";;", "0-16383;;;0", ";;;-1", ";;;9" + "9" * 30, "a;;;0", ";b;;0", ";;;"]
)
def test_a_cursor_that_no_scan_gave_is_refused(cursor: str) -> None:
    if cursor:
        with pytest.raises(Invalid, match="cursor"):
            Tour.read(cursor)
    else:
        assert Tour.read(cursor).cursor is not None
