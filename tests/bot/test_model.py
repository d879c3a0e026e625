"""Against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from lamina.bot.answer.answer import NOTHING, Answers
from lamina.bot.answer.model import (
    Model,
    ModelBusy,
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
)
from lamina.errors import StackError
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.server

KEY = "sk-very-secret"
ASKED = [{"role": "user", "content": "hi"}]


class Endpoint:
    """Answers every POST with the bytes that the test gave, and keeps what it was sent."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.head = b""
        self.sent: dict[str, object] = {}
        self.url = ""
        self.idle = asyncio.Event()
        self.idle.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.idle.clear()
        try:
            await self._answer(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):  # the other side has left
            writer.transport.abort()
            await asyncio.sleep(0)
        finally:
            self.idle.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        length = int(self.head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.sent = json.loads(await reader.readexactly(length))
        if self.answer is None:
            await reader.read()  # hangs until the other side leaves
        else:
            writer.write(self.answer)
            await writer.drain()


@asynccontextmanager
async def endpoint(answer: bytes | None) -> AsyncIterator[Endpoint]:
    made = Endpoint(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    made.url = f"http://{host}:{port}/v1"
    async with server:
        yield made
        await made.idle.wait()


def http(body: bytes, status: str = "200 OK", *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


def completion(text: object, reason: str = "stop") -> bytes:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return json.dumps({"choices": [choice]}).encode()


async def test_the_answer_of_the_model_is_returned() -> None:
    async with endpoint(http(completion(" Hello. "))) as server:
        written = await Model(server.url, "small", KEY).write(ASKED)

    assert (written.text, written.complete) == ("Hello.", True)
    assert server.head.startswith(b"POST /v1/chat/completions HTTP/1.1")
    assert f"Authorization: Bearer {KEY}".encode() in server.head
    assert server.sent["model"] == "small"
    assert server.sent["messages"] == ASKED


async def test_without_a_key_none_is_sent() -> None:
    async with endpoint(http(completion("Hello."))) as server:
        await Model(server.url, "small").write(ASKED)

    assert b"authorization" not in server.head.lower()


async def test_an_answer_cut_off_by_its_length_is_told() -> None:
    async with endpoint(http(completion("Hel", "length"))) as server:
        assert not (await Model(server.url, "small").write(ASKED)).complete


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(b'{"error": "bad key"}', "401 Unauthorized"), ModelRefused),
        (http(b"", "403 Forbidden"), ModelRefused),
        (http(b"", "404 Not Found"), ModelRefused),
        (http(b"", "302 Found"), ModelRefused),
        (http(b"", "429 Too Many Requests"), ModelBusy),
        (http(b"oops", "500 Internal Server Error"), ModelUnavailable),
        (http(b"", "503 Service Unavailable"), ModelUnavailable),
        (http(b"<html>"), ModelGarbled),
        (http(b"[]"), ModelGarbled),
        (http(b'{"choices": []}'), ModelGarbled),
        (http(b"[" * 100_000), ModelGarbled),
        (http(b"\xff\xfe"), ModelGarbled),
        (http(completion(None)), ModelGarbled),
        (http(completion("  ")), ModelGarbled),
        (http(completion("cut"), length=5000), ModelUnavailable),
        (b"SSH-2.0-OpenSSH\r\n", ModelUnavailable),
        (b"", ModelUnavailable),
    ],
)
async def test_a_bad_answer_is_a_typed_error_without_the_key(
    answer: bytes, kind: type[ModelError]
) -> None:
    async with endpoint(answer) as server:
        with pytest.raises(ModelError) as caught:
            await Model(server.url, "small", KEY).write(ASKED)

    assert type(caught.value) is kind
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


async def test_an_endless_answer_is_left() -> None:
    async with endpoint(http(b"x" * 5_000_000)) as server:
        with pytest.raises(ModelGarbled, match="larger than 4194304 bytes"):
            await Model(server.url, "small", KEY).write(ASKED)


async def test_an_endpoint_that_hangs_is_left_in_time() -> None:
    async with endpoint(None) as server:
        with pytest.raises(ModelUnavailable, match=r"no answer within 0\.2 s"):
            await Model(server.url, "small", KEY, seconds=0.2).write(ASKED)


async def test_an_endpoint_that_is_not_there_is_told() -> None:
    async with endpoint(b"") as server:
        url = server.url

    with pytest.raises(ModelUnavailable, match="the connection failed: ConnectError"):
        await Model(url, "small", KEY).write(ASKED)


@pytest.mark.parametrize("key", ["sk-with\nline", "sk-caf\u00e9"])
async def test_a_key_that_no_header_can_hold_is_told_without_it(key: str) -> None:
    async with endpoint(http(completion("Hello."))) as server:
        with pytest.raises(ModelUnavailable) as caught:
            await Model(server.url, "small", key).write(ASKED)

    assert "sk-" not in str(caught.value)


async def test_a_failing_model_is_told_and_the_answer_is_quoted() -> None:
    storage = UnifiedStorage.in_memory()
    await storage.store_document("Penguins live in the south.")
    async with endpoint(http(b"", "500 Oops")) as server:
        answers = Answers(storage, model=Model(server.url, "small", KEY))
        answer = await answers.answer("where do penguins live?", chat_id="a")

    assert "Penguins live in the south." in answer.text
    assert answer.notices == (
        "the model gave no answer, so this is quoted: the endpoint failed (status 500)",
    )


async def test_the_model_is_given_passages_and_what_was_said() -> None:
    storage = UnifiedStorage.in_memory()
    await storage.store_document("Penguins live in the south.")
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    async with endpoint(http(completion("In the south [1]."))) as server:
        answers = Answers(storage, model=Model(server.url, "small", KEY))
        answer = await answers.answer("where do penguins live?", chat_id="a", history=history)

    assert answer.text == "In the south [1]."
    assert len(answer.sources) == 1
    sent = server.sent["messages"]
    assert isinstance(sent, list)
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "user"]
    assert "Penguins live in the south." in sent[-1]["content"]
    assert NOTHING not in answer.text


def test_the_environment_configures_the_model() -> None:
    assert Model.configured({}) is None
    made = Model.configured({"OPENAI_BASE_URL": "http://localhost:8000/v1/"})
    assert made == Model("http://localhost:8000/v1", "gpt-4o-mini")
    made = Model.configured({"OPENAI_API_KEY": KEY, "LAMINA_MODEL": "m"})
    assert made == Model("https://api.openai.com/v1", "m", KEY)
    assert KEY not in repr(made)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", "localhost:8000"),
        ("LAMINA_MODEL_TIMEOUT", "soon"),
        ("LAMINA_MODEL_TIMEOUT", "nan"),
        ("LAMINA_MODEL_TIMEOUT", "0"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(name: str, value: str) -> None:
    with pytest.raises(StackError, match=name):
        Model.configured({"OPENAI_API_KEY": KEY, name: value})
