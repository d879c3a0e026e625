"""A pytest plugin that runs ``async def`` tests on the virtual clock, and gives real servers.

Load it with ``pytest_plugins = ["lamina.testing.plugin"]`` in your top ``conftest.py``. A test
marked ``realtime`` or ``server`` runs on asyncio's own loop instead. The fixtures are servers of
`lamina.testing.servers`, each started when first asked for, once a run, also under pytest-xdist;
one that cannot start fails the tests that want it. Take a fresh database, bucket or index of it
for each test, and a server of your own to pause or kill it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, TypeVar

import pytest

from lamina.testing.clock import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing import servers

S = TypeVar("S", bound="servers.Server")

pytest.register_assert_rewrite("lamina.testing.contracts")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "realtime: runs on asyncio's own loop and clock")
    config.addinivalue_line("markers", "server: talks to a server on loopback, in real time")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function to its end; leave every other test to pytest."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    main = test(**{name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters})
    real = any(pyfuncitem.get_closest_marker(name) for name in ("realtime", "server"))
    asyncio.run(main) if real else run(main)
    return True


def _served(server: S, factory: pytest.TempPathFactory) -> Iterator[S]:
    """Start a server, or join that of another worker of the same run."""
    from lamina.testing.servers.shared import shared

    if "PYTEST_XDIST_WORKER" in os.environ:
        shared(server, factory.getbasetemp().parent)
    else:
        server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Valkey]:
    """A Valkey 9; ``valkey.database()`` gives an empty one."""
    from lamina.testing.servers import Valkey

    yield from _served(Valkey(), tmp_path_factory)


@pytest.fixture(scope="session")
def redis8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Redis]:
    """A Redis 8.2; ``redis8.database()`` gives an empty one."""
    from lamina.testing.servers import Redis

    yield from _served(Redis(), tmp_path_factory)


@pytest.fixture(scope="session")
def redis62(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.OldRedis]:
    """A Redis 6.2; ``redis62.database()`` gives an empty one."""
    from lamina.testing.servers import OldRedis

    yield from _served(OldRedis(), tmp_path_factory)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    """A SeaweedFS; ``s3.bucket()`` gives an empty bucket."""
    from lamina.testing.servers import S3

    yield from _served(S3(), tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Postgres]:
    """A PostgreSQL 18 with pgvector; ``postgres.database()`` gives an empty one."""
    from lamina.testing.servers import Postgres

    yield from _served(Postgres(), tmp_path_factory)


@pytest.fixture(scope="session")
def upstash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Upstash]:
    """A local Upstash Vector; ``upstash.index(kind)`` gives the URL and token of an empty index."""
    from lamina.testing.servers import Upstash

    yield from _served(Upstash(), tmp_path_factory)


@pytest.fixture(scope="session")
def supabase(
    tmp_path_factory: pytest.TempPathFactory, postgres: servers.Postgres
) -> Iterator[servers.Supabase]:
    """A local Supabase on ``postgres``; ``supabase.project(sql)`` gives an empty project."""
    from lamina.testing.servers import Supabase

    yield from _served(Supabase(postgres=postgres), tmp_path_factory)
