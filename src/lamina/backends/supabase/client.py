"""The supabase client over a pool of our own, which this closes."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.postgres.schema import check_schema
from lamina.backends.supabase.bodies import body_of
from lamina.errors import Closed, StackError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from supabase import AsyncClient

_URL: Final = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_answer: Final[ContextVar[httpx.Response | None]] = ContextVar("supabase answer", default=None)


@final
class Client:
    """One project; connects to nothing before ``open``.

    Raises:
        StackError: *url*, *key* or *schema* is none, or a number is not above 0.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        token: str | None,
        schema: str,
        timeout: float,
        connect_timeout: float,
        most: int,
    ) -> None:
        if not _URL.fullmatch(url):
            msg = "url must be that of a Supabase project, such as https://<ref>.supabase.co"
            raise StackError(msg)
        if not _KEY.fullmatch(key) or (token is not None and not _KEY.fullmatch(token)):
            msg = "key and token must be those of the project: text without spaces"
            raise StackError(msg)
        check_schema(schema)
        if not (0 < timeout < 1e9 and 0 < connect_timeout < 1e9 and most >= 1):
            msg = (
                "timeout, connect_timeout and connections must be more than 0, "
                f"got {timeout!r}, {connect_timeout!r} and {most!r}"
            )
            raise StackError(msg)
        self._url = url.rstrip("/")
        self._key = key
        self._token = token
        self._schema = schema
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._most = most
        self.wall: Callable[[], float] = time.time
        self._http: httpx.AsyncClient | None = None
        self._supabase: AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; it asks nothing of the project yet."""
        await asyncio.to_thread(import_module, "supabase")  # it takes a while
        from supabase import AsyncClientOptions, acreate_client

        from lamina.backends.http import pool

        self._http = await asyncio.to_thread(  # it reads whom to trust
            pool,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            connections=self._most,
        )
        self._http.event_hooks["response"].append(_note)
        options = AsyncClientOptions(
            headers={"Authorization": f"Bearer {self._token or self._key}"},
            schema=self._schema,
            httpx_client=self._http,
            postgrest_client_retry=False,
            auto_refresh_token=False,
            persist_session=False,
        )
        self._supabase = await acreate_client(self._url, self._key, options)

    async def close(self) -> None:
        """Close the pool."""
        http, self._http, self._supabase = self._http, None, None
        if http is not None:
            await http.aclose()

    @property
    def supabase(self) -> AsyncClient:
        """The client.

        Raises:
            Closed: It is not open.
        """
        if self._supabase is None:
            raise _closed()
        return self._supabase

    @property
    def _pool(self) -> httpx.AsyncClient:
        if self._http is None:
            raise _closed()
        return self._http

    async def storage(
        self, method: str, *path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Ask Storage itself, for what its client cannot ask; 416 is an answer, too.

        Raises:
            StorageError: What another error becomes.
        """
        from lamina.backends.supabase.failures import of_object

        url = self.supabase.storage_url.joinpath(*path)
        told = {**self.supabase.options.headers, **(headers or {})}
        with self.asking():
            answer = await self._pool.request(method, str(url), headers=told, **more)
        if answer.is_success:
            return answer
        raise of_object(answer, self.wall())

    async def call(self, function: str, given: dict[str, Any]) -> Any:
        """Return what a function of the database answers; large arguments stall no loop.

        Raises:
            StorageError: What a failure becomes.
        """
        from lamina.backends.supabase.failures import of_function

        rest = self.supabase.postgrest
        headers = {**rest.headers, "content-type": "application/json"}
        url, body = str(rest.base_url.joinpath("rpc", function)), await body_of(given)
        with self.asking():
            answer = await self._pool.post(url, content=body, headers=headers)
            if answer.is_success:
                return answer.json()
        raise of_function(answer, self.wall())

    async def told(self, query: Any) -> Any:
        """Return what the database answers to a query; to none of ours it answers nothing.

        Raises:
            StorageError: What a failure becomes.
        """
        from lamina.backends.supabase.failures import FAILURES

        with self.asking():
            data = (await query.execute()).data
            answer = _answer.get()
        if answer is None or not answer.content:  # the client takes that for no rows
            raise FAILURES["no json"].error(detail="nothing")
        return data

    @contextmanager
    def asking(self) -> Generator[None, None, None]:
        """Map what the client raises.

        Raises:
            StorageError: What the failure becomes.
        """
        from lamina.backends.supabase.failures import KNOWN, failure

        _answer.set(None)
        try:
            yield
        except KNOWN as error:
            raise failure(error, _answer.get(), self.wall()) from error
        finally:
            _answer.set(None)  # it holds the bytes that came


@contextmanager
def after_writing() -> Generator[None, None, None]:
    """Say of what fails that something was written before it.

    Raises:
        StorageError: What failed.
    """
    try:
        yield
    except StorageError as error:
        error.sent = "maybe"
        raise


async def _note(response: httpx.Response) -> None:
    """Keep status and headers, which the client's own errors do not tell."""
    _answer.set(response)


def _closed() -> Closed:
    return Closed("supabase is not open")
