"""Cached stores over a real PostgreSQL whose network and process fail: no answer becomes stale."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from cache_faults import Faults
from cache_numbers import Papers, Values
from cache_trial import Attempts, Trial, layers

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue
from lamina.layers.cache.marks import Marks
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.server
KINDS: dict[str, tuple[Any, Any]] = {
    "keyvalue": (PostgresKeyValue, Values),
    "documents": (PostgresDocuments, Papers),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as one:
        yield one


@asynccontextmanager
async def tried(server: Postgres, kind: str) -> AsyncIterator[tuple[Trial, Faults, Any]]:
    backend, numbers = KINDS[kind]
    url = server.database()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy("127.0.0.1", server.port))
        attempts = Attempts()
        through = f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(url).path}"
        clean = await stack.enter_async_context(Stack().over(backend(url, timeout=1.0)))
        tried = layers(attempts).over(backend(through, timeout=1.0))
        store = await stack.enter_async_context(tried)
        trial = Trial(numbers(store), numbers(clean), attempts)
        yield trial, Faults(trial, proxy, server), store


@pytest.mark.parametrize("kind", KINDS)
async def test_faults_of_the_network_make_no_answer_stale(server: Postgres, kind: str) -> None:
    async with tried(server, kind) as (trial, faults, store):
        await faults.of_network()
        await trial.settle(store)


@pytest.mark.parametrize("kind", KINDS)
async def test_faults_of_the_server_make_no_answer_stale(server: Postgres, kind: str) -> None:
    async with tried(server, kind) as (trial, faults, store):
        await faults.of_server()
        await trial.settle(store)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_write_that_was_left_is_seen_once_it_has_landed(
    server: Postgres, kind: str
) -> None:
    async with tried(server, kind) as (trial, faults, _):
        await trial.left_and_late(faults.proxy)


@pytest.mark.parametrize("kind", KINDS)
async def test_without_doubt_a_write_that_was_left_is_not_seen(
    server: Postgres, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marks, "doubt", lambda *_: None)
    async with tried(server, kind) as (trial, faults, _):
        with pytest.raises(AssertionError, match="stale"):
            await trial.left_and_late(faults.proxy)


@pytest.mark.parametrize("kind", KINDS)
async def test_without_forgetting_what_a_write_changes_stale_answers_are_seen(
    server: Postgres, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marks, "end", lambda *_, **__: None)
    async with tried(server, kind) as (trial, _, _):
        with pytest.raises(AssertionError, match="stale"):
            await trial.rounds(*[trial.pace] * 10)
