"""A cached store over a real Valkey whose network and process fail: no answer becomes stale."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cache_faults import Faults
from cache_numbers import Values
from cache_trial import Attempts, Trial, layers

from lamina.backends.redis import RedisKeyValue
from lamina.layers.cache.marks import Marks
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy, resp_command
from lamina.testing.servers import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.server


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server of its own, which keeps what it has answered even when it is killed.

    By default it answers before it has written while a disk is slow.
    """
    with Valkey(["--appendfsync", "no"], data=tmp_path_factory.mktemp("kept")) as one:
        yield one


@asynccontextmanager
async def tried(server: Valkey) -> AsyncIterator[tuple[Trial, Faults, Any]]:
    async with FaultProxy("127.0.0.1", server.port, requests=resp_command) as proxy:
        through = RedisKeyValue(f"redis://127.0.0.1:{proxy.port}", timeout=1.0)
        direct = RedisKeyValue(server.url, timeout=1.0)
        attempts = Attempts()
        async with layers(attempts).over(through) as store, Stack().over(direct) as clean:
            trial = Trial(Values(store), Values(clean), attempts)
            yield trial, Faults(trial, proxy, server), store


async def test_faults_of_the_network_make_no_answer_stale(server: Valkey) -> None:
    async with tried(server) as (trial, faults, store):
        await faults.of_network()
        await trial.settle(store)


async def test_faults_of_the_server_make_no_answer_stale(server: Valkey) -> None:
    async with tried(server) as (trial, faults, store):
        await faults.of_server()
        await trial.settle(store)


async def test_a_write_that_was_left_is_seen_once_it_has_landed(server: Valkey) -> None:
    async with tried(server) as (trial, faults, _):
        await trial.left_and_late(faults.proxy)


async def test_a_repeated_write_is_seen_when_its_first_attempt_lands_last(server: Valkey) -> None:
    async with tried(server) as (trial, faults, _):
        await trial.repeated_and_late(faults.proxy)


async def test_without_doubt_a_write_that_was_left_is_not_seen(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marks, "doubt", lambda *_: None)
    async with tried(server) as (trial, faults, _):
        with pytest.raises(AssertionError, match="stale"):
            await trial.left_and_late(faults.proxy)


async def test_without_forgetting_what_a_write_changes_stale_answers_are_seen(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Marks, "end", lambda *_, **__: None)
    async with tried(server) as (trial, _, _):
        with pytest.raises(AssertionError, match="stale"):
            await trial.rounds(*[trial.pace] * 10)
