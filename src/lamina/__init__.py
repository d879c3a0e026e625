"""One async storage interface for bots and agents: backends behind composable layers.

Everything public is found here and loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.backend import Backend, serves
    from lamina.backends.files import FilesMedia
    from lamina.backends.memory import (
        MemoryDocuments,
        MemoryKeyValue,
        MemoryMedia,
        MemoryVectors,
    )
    from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
    from lamina.backends.redis import RedisKeyValue
    from lamina.backends.s3 import S3Media
    from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue, SqliteVectors
    from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
    from lamina.backends.upstash import UpstashVectors
    from lamina.blocking import Blocking
    from lamina.bound import Bound
    from lamina.caching import LocalCache, cached
    from lamina.capabilities import Capabilities, Serves
    from lamina.context import Call, call
    from lamina.domains.documents import Documents
    from lamina.domains.keyvalue import KeyValue
    from lamina.domains.media import FileSource, Media, Source
    from lamina.domains.store import Store
    from lamina.domains.vectors import Vectors
    from lamina.errors import (
        AuthError,
        BackendError,
        BatchFailed,
        CircuitOpen,
        Closed,
        Conflict,
        Corrupt,
        DeadlineExceeded,
        Invalid,
        LaminaError,
        LimitReached,
        RateLimited,
        Rejected,
        StackError,
        StorageError,
        Throttled,
        TimedOut,
        Unavailable,
        Unsupported,
        WrongLoop,
    )
    from lamina.explained import Explained
    from lamina.filters import F, Filter
    from lamina.layer import Layer
    from lamina.layers.batch import Batch
    from lamina.layers.breaker import Breaker
    from lamina.layers.cache import Cache
    from lamina.layers.chaos import Chaos
    from lamina.layers.deadline import Deadline
    from lamina.layers.fallback import Fallback
    from lamina.layers.hedge import Hedge
    from lamina.layers.limit import Limit
    from lamina.layers.log import Log
    from lamina.layers.metrics import Metrics
    from lamina.layers.rate import Quota, Throttle
    from lamina.layers.readonly import ReadOnly
    from lamina.layers.retry import Retry
    from lamina.layers.scope import Scope
    from lamina.layers.seal import Seal
    from lamina.layers.shadow import Shadow
    from lamina.layers.squeeze import Squeeze
    from lamina.layers.timeout import Timeout
    from lamina.operation import BatchOperation, Operation
    from lamina.plan import Plan
    from lamina.runtime import Runtime
    from lamina.site import Site
    from lamina.stack import Stack
    from lamina.storage import UnifiedStorage, open  # noqa: A004  # lamina.open is the name
    from lamina.values import Done, Failed, Json, Page, SparseVector, Vector, freeze, thaw

_HOMES = {
    "lamina.backend": "Backend serves",
    "lamina.bound": "Bound",
    "lamina.caching": "LocalCache cached",
    "lamina.context": "Call call",
    "lamina.capabilities": "Capabilities Serves",
    "lamina.domains.documents": "Documents",
    "lamina.domains.keyvalue": "KeyValue",
    "lamina.domains.media": "FileSource Media Source",
    "lamina.domains.store": "Store",
    "lamina.domains.vectors": "Vectors",
    "lamina.errors": "AuthError BackendError BatchFailed CircuitOpen Closed Conflict Corrupt "
    "DeadlineExceeded Invalid LaminaError LimitReached RateLimited Rejected StackError "
    "StorageError Throttled TimedOut Unavailable Unsupported WrongLoop",
    "lamina.explained": "Explained",
    "lamina.filters": "F Filter",
    "lamina.layer": "Layer",
    "lamina.layers.batch": "Batch",
    "lamina.layers.breaker": "Breaker",
    "lamina.layers.cache": "Cache",
    "lamina.layers.chaos": "Chaos",
    "lamina.layers.deadline": "Deadline",
    "lamina.layers.fallback": "Fallback",
    "lamina.layers.hedge": "Hedge",
    "lamina.layers.limit": "Limit",
    "lamina.layers.log": "Log",
    "lamina.layers.metrics": "Metrics",
    "lamina.layers.rate": "Quota Throttle",
    "lamina.layers.readonly": "ReadOnly",
    "lamina.layers.retry": "Retry",
    "lamina.layers.scope": "Scope",
    "lamina.layers.seal": "Seal",
    "lamina.layers.shadow": "Shadow",
    "lamina.layers.squeeze": "Squeeze",
    "lamina.layers.timeout": "Timeout",
    "lamina.operation": "BatchOperation Operation",
    "lamina.plan": "Plan",
    "lamina.runtime": "Runtime",
    "lamina.site": "Site",
    "lamina.stack": "Stack",
    "lamina.storage": "UnifiedStorage open",
    "lamina.values": "Done Failed Json Page SparseVector Vector freeze thaw",
    "lamina.backends.files": "FilesMedia",
    "lamina.backends.memory": "MemoryDocuments MemoryKeyValue MemoryMedia MemoryVectors",
    "lamina.backends.postgres": "PostgresDocuments PostgresKeyValue PostgresVectors",
    "lamina.backends.redis": "RedisKeyValue",
    "lamina.backends.s3": "S3Media",
    "lamina.backends.sqlite": "SqliteDocuments SqliteKeyValue SqliteVectors",
    "lamina.backends.supabase": "SupabaseDocuments SupabaseMedia",
    "lamina.backends.upstash": "UpstashVectors",
    "lamina.blocking": "Blocking",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__version__ = "0.1.0"

__all__ = [
    "AuthError",
    "Backend",
    "BackendError",
    "Batch",
    "BatchFailed",
    "BatchOperation",
    "Blocking",
    "Bound",
    "Breaker",
    "Cache",
    "Call",
    "Capabilities",
    "Chaos",
    "CircuitOpen",
    "Closed",
    "Conflict",
    "Corrupt",
    "Deadline",
    "DeadlineExceeded",
    "Documents",
    "Done",
    "Explained",
    "F",
    "Failed",
    "Fallback",
    "FileSource",
    "FilesMedia",
    "Filter",
    "Hedge",
    "Invalid",
    "Json",
    "KeyValue",
    "LaminaError",
    "Layer",
    "Limit",
    "LimitReached",
    "LocalCache",
    "Log",
    "Media",
    "MemoryDocuments",
    "MemoryKeyValue",
    "MemoryMedia",
    "MemoryVectors",
    "Metrics",
    "Operation",
    "Page",
    "Plan",
    "PostgresDocuments",
    "PostgresKeyValue",
    "PostgresVectors",
    "Quota",
    "RateLimited",
    "ReadOnly",
    "RedisKeyValue",
    "Rejected",
    "Retry",
    "Runtime",
    "S3Media",
    "Scope",
    "Seal",
    "Serves",
    "Shadow",
    "Site",
    "Source",
    "SparseVector",
    "SqliteDocuments",
    "SqliteKeyValue",
    "SqliteVectors",
    "Squeeze",
    "Stack",
    "StackError",
    "StorageError",
    "Store",
    "SupabaseDocuments",
    "SupabaseMedia",
    "Throttle",
    "Throttled",
    "TimedOut",
    "Timeout",
    "Unavailable",
    "UnifiedStorage",
    "Unsupported",
    "UpstashVectors",
    "Vector",
    "Vectors",
    "WrongLoop",
    "__version__",
    "cached",
    "call",
    "freeze",
    "open",
    "serves",
    "thaw",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'lamina' has no attribute {name!r}"
        raise AttributeError(msg)
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
