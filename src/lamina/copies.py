"""An error again, for another who waited for what failed."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from lamina.errors import BackendError


def own_copy(error: Exception) -> Exception:
    """Return a copy that can be raised and noted without touching the original.

    It is of the same type, with the same message, whatever its constructor asks for.
    """
    try:
        made = _copied(error)
    except Exception:  # whatever a foreign class does
        made = BackendError(f"the shared call failed: {type(error).__name__}", sent="maybe")
    notes: list[str] = getattr(error, "__notes__", [])
    if notes:
        made.__notes__ = [*notes]
    return made


def _copied(error: Exception) -> Exception:
    kind = type(error)
    with suppress(Exception):  # it calls the constructor with the message, not with its arguments
        made = copy.copy(error)
        if type(made) is kind and made.args == error.args:
            return made
    builtin: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    bare: Exception = builtin.__new__(kind, *error.args)
    builtin.__init__(bare, *error.args)
    vars(bare).update(vars(error))
    return bare
