"""The SDK of Upstash Vector over a pool of our own, which this closes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final, TypeGuard, final

import httpx
from upstash_vector.core.index_operations import AsyncIndexOperations

from lamina.backends.http import HTTP, failed, pool
from lamina.backends.upstash.failures import FAILURES, reading, refused
from lamina.errors import Closed, Corrupt, Invalid, StackError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from upstash_vector.types import Data, InfoResult, Vector

_URL: Final = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_FEW: Final = 8
_DIGITS: Final = 9


@final
class Client(AsyncIndexOperations):
    """One index; connects to nothing before ``open``.

    It sends each request once: nothing of the SDK that would send it again is used.

    Raises:
        StackError: *url* or *token* is none, or a number is not above 0.
    """

    def __init__(
        self, url: str, token: str, *, timeout: float, connect_timeout: float, connections: int
    ) -> None:
        if not _URL.fullmatch(url):
            msg = "url must be that of an index, such as https://<name>-vector.upstash.io"
            raise StackError(msg)
        if not _TOKEN.fullmatch(token):
            msg = "token must be that of the index: text without spaces"
            raise StackError(msg)
        if not (0 < timeout < 1e9 and 0 < connect_timeout < 1e9 and connections >= 1):
            msg = (
                "timeout, connect_timeout and connections must be more than 0, "
                f"got {timeout!r}, {connect_timeout!r} and {connections!r}"
            )
            raise StackError(msg)
        self.wall: Callable[[], float] = time.time
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._connections = connections
        self._http: httpx.AsyncClient | None = None

    async def open(self) -> InfoResult:
        """Connect, and return what the index is, within the time for connecting.

        Raises:
            StorageError: It cannot be reached, or is none.
        """
        self._http = pool(
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            connections=self._connections,
        )
        try:
            async with asyncio.timeout(self._connect_timeout):
                with reading():
                    return await self.info()
        except Corrupt as error:
            raise FAILURES["no index"].error() from error
        except StorageError:
            raise
        except TimeoutError as error:
            raise HTTP["no answer"].error(detail=f"{self._connect_timeout:g} s") from error

    async def close(self) -> None:
        """Close the pool."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def put(self, items: Sequence[Vector | Data], space: str) -> None:
        """Write records, all of vectors or all of texts."""
        await self.upsert(items, space)  # pyright: ignore[reportUnknownMemberType]  # types of dicts

    async def _execute_request_async(self, payload: Any = None, path: str = "") -> Any:
        """Send one request; the SDK makes and reads what it says.

        Raises:
            StorageError: What a failure becomes.
        """
        if self._http is None:
            msg = "upstash is not open"
            raise Closed(msg)
        is_long = _is_list(payload) and len(payload) > _FEW
        try:
            body = await asyncio.to_thread(_encoded, payload) if is_long else _encoded(payload)
        except UnicodeEncodeError as error:
            msg = "text must be encodable as UTF-8"
            raise Invalid(msg) from error
        try:
            answer = await self._http.post(self._url + path, content=body, headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failed(error) from error
        return self._result(answer, path)

    def _result(self, answer: httpx.Response, path: str) -> Any:
        try:
            told: Any = json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            if answer.status_code < 400:
                raise FAILURES["no json"].error() from error
            told = None
        body = told if _is_object(told) else {}
        if answer.status_code == 200 and "result" in body and "error" not in body:
            return body["result"]
        raise refused(answer.status_code, body, answer.headers, path, self.wall())


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _encoded(payload: Any) -> bytes:
    """Encode JSON, many items one by one: between two of them the loop gets its turn."""
    if payload is None:
        return b""
    if _is_list(payload):
        return b"[%b]" % b",".join(map(_one, payload))
    return _one(payload)


def _one(value: Any) -> bytes:
    numbers: Any = value.get("vector") if _is_object(value) else None
    if not _is_list(numbers):
        return _text(value).encode()
    rest = _text({name: each for name, each in value.items() if name != "vector"})
    return f'{{"vector":[{_written(numbers)}],{rest[1:]}'.encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _written(numbers: list[float]) -> str:
    """Write float32 numbers by the nine digits that tell each: 3 times as quick to write and read.

    They are finite, since a vector holds no others.
    """
    return (f"%.{_DIGITS}g," * len(numbers) % tuple(numbers))[:-1]
