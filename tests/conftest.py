"""Run `async def` tests on the virtual clock; those that meet the real world on the real one."""

from __future__ import annotations

from lamina.testing.plugin import (
    postgres,
    pytest_configure,
    pytest_pyfunc_call,
    redis8,
    redis62,
    s3,
    supabase,
    upstash,
    valkey,
)

__all__ = [
    "postgres",
    "pytest_configure",
    "pytest_pyfunc_call",
    "redis8",
    "redis62",
    "s3",
    "supabase",
    "upstash",
    "valkey",
]
