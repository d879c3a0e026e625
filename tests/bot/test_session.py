from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.bot.chat.session import Session
from lamina.bot.chat.terminal import Terminal
from lamina.domains.keyvalue import Append, Get
from lamina.errors import Unavailable
from lamina.layer import Layer
from lamina.layers.cache import Cache
from lamina.layers.metrics import Metrics
from lamina.stack import Stack
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.operation import Handler, Op, Operation, R


class Chat:
    """A session whose lines and answers are strings."""

    def __init__(self, storage: UnifiedStorage | None = None) -> None:
        self.storage = storage or UnifiedStorage.in_memory()
        self.out = io.StringIO()
        terminal = Terminal(io.StringIO(), self.out)
        self.session = Session(self.storage, terminal, chat_id="terminal")

    async def says(self, line: str) -> str:
        """Return what is said to *line*."""
        self.out.seek(0)
        self.out.truncate()
        assert await self.session.handle(line)
        return self.out.getvalue().strip()


async def test_a_question_is_answered_and_remembered(docs: Path) -> None:
    chat = Chat()

    assert await chat.says(f"/add {docs}") == "4 added (9 chunks stored)"
    answer = await chat.says("how do I add a layer?")
    follow_up = await chat.says("and how do I test it?")

    assert "build-a-layer.md, How to add a layer" in answer
    assert answer.index("build-a-layer.md") < answer.index("Sources:")
    assert "Run the public suite" in follow_up
    said = await chat.storage.get_conversation("terminal")
    assert [message["role"] for message in said or []] == ["user", "assistant"] * 2
    assert "you> how do I add a layer?" in await chat.says("/history")
    assert (await chat.says("/history 1")).startswith("1 of 4 messages:\n  bot>")


async def test_conversations_are_kept_apart() -> None:
    chat = Chat()
    await chat.says("hello there")
    other = Session(chat.storage, Terminal(io.StringIO(), chat.out), chat_id="other")

    await other.greet()

    assert "Begin with /add" in chat.out.getvalue()
    await chat.session.greet()
    assert "I remember 2 messages" in chat.out.getvalue()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/serach x", "there is no command /serach; did you mean /search?"),
        ("/xyzzy", "there is no command /xyzzy; /help lists the commands"),
        ("/", "there is no command /; /help lists the commands"),
        ("/add", "/add needs a path, as in: /add PATH"),
        ("/add /no/such/place", "no such file or folder"),
        ("/add a\0b", "a path has no NUL in it"),
        ("/add ~nobody-of-that-name/x", "there is no such user"),
        ("/media /no/such/place", "no such file"),
        ("/media /", "no such file"),
        ("/search", "/search needs words, as in: /search circuit breaker"),
        ("/search nonsense", "nothing found"),
        ("/history", "nothing was said yet"),
        ("/history -1", "/history takes a whole number, as in: /history 10"),
        ("/history 0", "/history takes a whole number, as in: /history 10"),
        ("/forget", "there was nothing to forget"),
        ("/forget documents", "there was nothing to forget"),
        ("/forget me", "/forget forgets this conversation, /forget documents all documents"),
        ("", ""),
        ("   \t ", ""),
        ("\0", ""),
    ],
)
async def test_what_is_not_understood_is_told_in_a_line(line: str, answer: str) -> None:
    assert await Chat().says(line) == answer


@pytest.mark.parametrize(
    "line",
    [
        "nul \0 inside",
        "caf\udce9 and \ud800",
        "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
        "x" * 200_000,
        "word " * 50_000,
        "\x1b[2Jclear",
        "'); DROP TABLE documents; --",
        '"AND" OR NEAR(* ^',
        "\U0001f600",
    ],
)
async def test_no_input_ends_the_conversation(line: str) -> None:
    chat = Chat()

    for text in (line, f"/search {line}", f"/add {line}", f"/media {line}", f"/{line}"):
        said = await chat.says(text)
        assert "went wrong" not in said
        assert "\x1b" not in said


async def test_quit_ends_the_conversation() -> None:
    assert not await Chat().session.handle("/quit")
    assert not await Chat().session.handle(" /EXIT ")


async def test_help_lists_every_command() -> None:
    said = await Chat().says("/help")

    for name in ("add", "media", "search", "history", "forget", "status", "help", "quit"):
        assert f"/{name}" in said


async def test_escapes_in_a_document_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "evil.txt"
    path.write_text("The password is \x1b]0;owned\x07\x1b[8mswordfish\x1b[0m\u202e.")
    chat = Chat()
    await chat.says(f"/add {path}")

    said = await chat.says("what is the password?")

    assert "The password is swordfish" in said
    assert "\x1b" not in said + await chat.says("/search password") + await chat.says("/history")


async def test_a_file_is_stored_and_its_reference_told(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(b"\x89PNG")
    chat = Chat()

    said = await chat.says(f"/media '{path}'")

    reference = said.split("\n")[0].removeprefix("stored as ")
    assert await chat.storage.get_media(reference) == b"\x89PNG"
    assert said.endswith("(this storage has no URLs)")


async def test_forgetting_documents_leaves_nothing_of_them(docs: Path) -> None:
    chat = Chat()
    await chat.says(f"/add {docs}")

    assert await chat.says("/forget documents") == "forgotten: 4 files"

    assert not [one async for one in chat.storage.documents.scan()]
    assert not [one async for one in chat.storage.vectors.scan()]
    assert not [one async for one in chat.storage.keyvalue.scan()]
    assert await chat.says(f"/add {docs}") == "4 added (9 chunks stored)"


async def test_forgetting_the_conversation_keeps_the_documents(docs: Path) -> None:
    chat = Chat()
    await chat.says(f"/add {docs}")
    await chat.says("how do I add a layer?")

    assert await chat.says("/forget") == "forgotten"

    assert await chat.says("/history") == "nothing was said yet"
    assert "unchanged" in await chat.says(f"/add {docs}")


class Down(Layer):
    """Refuses some operations."""

    slot = "chaos"

    def __init__(self, *kinds: type[Operation[object]]) -> None:
        self.kinds = kinds

    def wants(self, op: type[Operation[object]]) -> bool:
        return not self.kinds or op in self.kinds

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        msg = "is down"
        raise Unavailable(msg)


def storage(keyvalue: Stack | None = None, others: Stack | None = None) -> UnifiedStorage:
    rest = others or Stack(Metrics())
    return UnifiedStorage(
        keyvalue=(keyvalue or Stack(Metrics())).over(MemoryKeyValue()),
        vectors=rest.over(MemoryVectors()),
        documents=rest.over(MemoryDocuments()),
        media=rest.over(MemoryMedia()),
    )


async def test_status_is_a_table_of_all_domains() -> None:
    chat = Chat(storage())
    await chat.says("hello")

    said = await chat.says("/status")

    for word in ("keyvalue", "vectors", "documents", "media", "health", "breaker", "cache hits"):
        assert word in said
    assert "keyvalue.Append" in said
    assert "DOWN" not in said


async def test_status_tells_what_the_caches_have_done() -> None:
    made = storage(keyvalue=Stack(Cache(60)))
    for _ in range(3):
        await made.keyvalue.get("a")

    said = (await Chat(made).says("/status")).splitlines()

    assert "cached        hits  stale  waited  asked  rescued" in said
    assert "keyvalue.Get  2     0      0       1      0" in said


async def test_status_says_what_is_down() -> None:
    said = await Chat(storage(others=Stack(Down()))).says("/status")

    assert said.count("DOWN") == 3
    assert "vectors: Unavailable" in said


async def test_without_a_memory_the_question_is_answered_and_it_is_told(docs: Path) -> None:
    chat = Chat(storage(Stack(Down(Get, Append))))
    await chat.says(f"/add {docs}")

    said = await chat.says("how do I bake bread?")

    assert "let the dough rest" in said
    assert "(answered without what we said before:" in said
    assert "(this could not be saved:" in said


async def test_a_storage_that_is_down_is_told_in_one_line(docs: Path) -> None:
    chat = Chat(storage(Stack(Down()), Stack(Down())))
    picture = docs / "layers.md"

    for line in ("what?", f"/add {docs}", f"/media {picture}", "/search x", "/history", "/forget"):
        said = await chat.says(line)
        assert "is down" in said
        assert "\n" not in said
