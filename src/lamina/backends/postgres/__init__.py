"""In PostgreSQL, directly: values, documents, and vectors by pgvector.

The driver, asyncpg, is imported with the first of the three classes: what stands beside them
here also serves who reaches the tables in another way.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lamina.backends.postgres.documents import PostgresDocuments
    from lamina.backends.postgres.keyvalue import PostgresKeyValue
    from lamina.backends.postgres.vectors import PostgresVectors

__all__ = ["PostgresDocuments", "PostgresKeyValue", "PostgresVectors"]

_HOMES: Final = {name: name.removeprefix("Postgres").lower() for name in __all__}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
