"""Run `async def` tests on the virtual clock; those that meet the real world on the real one."""

from __future__ import annotations

from lamina.testing.plugin import pytest_configure, pytest_pyfunc_call

__all__ = ["pytest_configure", "pytest_pyfunc_call"]
