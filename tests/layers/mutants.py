"""Broken copies of a module, which a check of it must catch."""

from __future__ import annotations

import inspect
import types


def mutant(module: types.ModuleType, old: str, new: str) -> types.ModuleType:
    """Return a copy of *module* in which *old*, which stands there once, is *new*."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{source.count(old)} times: {old}"
    made = types.ModuleType(module.__name__)
    exec(compile(source.replace(old, new), "mutant", "exec"), made.__dict__)
    return made
