"""A server for all tests of this folder, and new indexes for each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any, Final

import httpx
import pytest
from upstash_wire import Control, Elapse, Open, Running, Wire

from lamina.testing.servers.upstash.limits import Limits

_NAMES: Final = count()


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10.0) as client:
        yield client


@pytest.fixture
def control(running: Running, http: httpx.Client) -> Iterator[Control]:
    """Change the server's settings for one test."""

    def change(**settings: Any) -> dict[str, Any]:
        response = http.post(f"{running.url}/_control", json=settings)
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told

    yield change
    limits = asdict(Limits())
    change(lag=0, stale_deletes=False, filter_budget=None, missing_matches_not=False)
    change(rank_from_1=False, sample_deviation=False)
    change(limits=limits, faults=[], counts={})


@pytest.fixture
def elapse(running: Running) -> Iterator[Elapse]:
    """Let seconds pass on the server's clock."""
    state, passed = running.server.state, 0.0

    def later(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        state.clock = lambda: time.monotonic() + passed

    yield later
    state.clock = time.monotonic


@pytest.fixture
def wire(running: Running, http: httpx.Client, control: Control) -> Open:
    """Open a new, empty index of a kind."""

    def opened(kind: str, **made: Any) -> Wire:
        name = f"{kind}~{next(_NAMES)}"
        control(indexes={name: made})
        return Wire(http, running.url, name)

    return opened


@pytest.fixture
def dense(wire: Open) -> Wire:
    return wire("dense")
