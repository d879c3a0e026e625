"""A pytest plugin that runs ``async def`` tests on the virtual clock.

Load it with ``pytest_plugins = ["lamina.testing.plugin"]`` in your top ``conftest.py``. A test
marked ``realtime`` or ``server`` runs on asyncio's own loop instead.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from lamina.testing.clock import run

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
