"""Which backends and layers a file can name: a new one is one row here."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    cast,
    final,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import create_model

from lamina.config.options import (
    BackendOptions,
    FilesOptions,
    MemoryOptions,
    MemoryVectorsOptions,
    Options,
    SqliteOptions,
    SqliteVectorsOptions,
)
from lamina.config.services import (
    PostgresOptions,
    PostgresVectorsOptions,
    RedisOptions,
    S3Options,
    SupabaseDocumentsOptions,
    SupabaseMediaOptions,
    UpstashOptions,
)
from lamina.layer import Bytes, Sends

if TYPE_CHECKING:
    from lamina.backend import Backend
    from lamina.layer import Layer


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One backend: where its class is, what it takes, and the extra that installs its package."""

    place: str
    options: type[BackendOptions]
    extra: str | None = None

    def load(self) -> Callable[..., Backend[Any]]:
        """Import the backend's class.

        Raises:
            ImportError: Its package is not installed.
        """
        return cast("Callable[..., Backend[Any]]", _found(self.place))


BACKENDS: Final[dict[str, dict[str, Row]]] = {
    "keyvalue": {
        "memory": Row("lamina.backends.memory:MemoryKeyValue", MemoryOptions),
        "sqlite": Row("lamina.backends.sqlite:SqliteKeyValue", SqliteOptions),
        "redis": Row("lamina.backends.redis:RedisKeyValue", RedisOptions, "redis"),
        "postgres": Row("lamina.backends.postgres:PostgresKeyValue", PostgresOptions, "postgres"),
    },
    "vectors": {
        "memory": Row("lamina.backends.memory:MemoryVectors", MemoryVectorsOptions),
        "sqlite": Row("lamina.backends.sqlite:SqliteVectors", SqliteVectorsOptions),
        "upstash": Row("lamina.backends.upstash:UpstashVectors", UpstashOptions, "upstash"),
        "postgres": Row(
            "lamina.backends.postgres:PostgresVectors", PostgresVectorsOptions, "postgres"
        ),
    },
    "documents": {
        "memory": Row("lamina.backends.memory:MemoryDocuments", MemoryOptions),
        "sqlite": Row("lamina.backends.sqlite:SqliteDocuments", SqliteOptions),
        "supabase": Row(
            "lamina.backends.supabase:SupabaseDocuments", SupabaseDocumentsOptions, "supabase"
        ),
        "postgres": Row("lamina.backends.postgres:PostgresDocuments", PostgresOptions, "postgres"),
    },
    "media": {
        "memory": Row("lamina.backends.memory:MemoryMedia", MemoryOptions),
        "files": Row("lamina.backends.files:FilesMedia", FilesOptions),
        "s3": Row("lamina.backends.s3:S3Media", S3Options, "s3"),
        "supabase": Row("lamina.backends.supabase:SupabaseMedia", SupabaseMediaOptions, "supabase"),
    },
}
LAYERS: Final[dict[str, str]] = {
    "metrics": "lamina.layers.metrics:Metrics",
    "log": "lamina.layers.log:Log",
    "deadline": "lamina.layers.deadline:Deadline",
    "fallback": "lamina.layers.fallback:Fallback",
    "shadow": "lamina.layers.shadow:Shadow",
    "readonly": "lamina.layers.readonly:ReadOnly",
    "quota": "lamina.layers.rate:Quota",
    "scope": "lamina.layers.scope:Scope",
    "cache": "lamina.layers.cache:Cache",
    "squeeze": "lamina.layers.squeeze:Squeeze",
    "seal": "lamina.layers.seal:Seal",
    "batch": "lamina.layers.batch:Batch",
    "retry": "lamina.layers.retry:Retry",
    "hedge": "lamina.layers.hedge:Hedge",
    "throttle": "lamina.layers.rate:Throttle",
    "breaker": "lamina.layers.breaker:Breaker",
    "limit": "lamina.layers.limit:Limit",
    "timeout": "lamina.layers.timeout:Timeout",
    "chaos": "lamina.layers.chaos:Chaos",
}
_PLAIN: Final = (str, int, float, bool, type(None), Enum)
_GROUPS: Final = (list, tuple, set, frozenset, dict)


def layer(name: str) -> Callable[..., Layer]:
    """Import the class of a layer."""
    return cast("Callable[..., Layer]", _found(LAYERS[name]))


@final
@dataclass(frozen=True, slots=True)
class Other:
    """Another store that a layer uses: of its own domain, or of *bytes*; it may be *needed*."""

    bytes: bool
    needed: bool


@cache
def others(name: str) -> dict[str, Other]:
    """Return the options of a layer that stand for another store."""
    made = cast("type[Layer]", layer(name))
    found: dict[str, Other] = {}
    for parameter in inspect.signature(made).parameters.values():
        hint = _hint(parameter, made)
        kinds = {hint, *get_args(hint)}
        if Sends in kinds or Bytes in kinds:
            needed = parameter.default is inspect.Parameter.empty
            found[parameter.name] = Other(Bytes in kinds, needed)
    return found


@cache
def layer_options(name: str) -> type[Options]:
    """Return the model of a layer's options, made of its constructor's parameters.

    A parameter that a file cannot hold, such as a listener, is left out.
    """
    made = cast("type[Layer]", layer(name))
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(made).parameters.values():
        hint = _written(_hint(parameter, made))
        if hint is not None:
            needed = parameter.default is inspect.Parameter.empty
            fields[parameter.name] = (hint, ... if needed else parameter.default)
    return create_model(f"{made.__name__}Options", __base__=Options, **fields)


def _hint(parameter: inspect.Parameter, made: type[Layer]) -> Any:
    """Return a parameter's type; None if its name is not there at run time."""
    one = types.SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        return get_type_hints(one, vars(sys.modules[made.__module__]), include_extras=True)["it"]
    except NameError:
        return None


def _written(hint: Any) -> Any:
    """Return the part of a type that a file can hold, None if there is none.

    Of a number or a function it is the number; several of something are a list.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        parts = [part for part in map(_written, get_args(hint)) if part is not None]
        return None if set(parts) <= {type(None)} else Union[tuple(parts)]  # noqa: UP007  # made of parts
    if origin is Annotated:
        return hint if _written(get_args(hint)[0]) is not None else None
    if origin is Literal:
        return hint
    if origin is Iterable:
        item = _written(get_args(hint)[0])
        return None if item is None else tuple[item, ...]  # type: ignore[valid-type]  # known now
    if origin in _GROUPS:
        whole = all(part is ... or _written(part) == part for part in get_args(hint))
        return hint if whole else None
    return hint if isinstance(hint, type) and issubclass(hint, _PLAIN) else None


def _found(place: str) -> object:
    module, name = place.split(":")
    return getattr(import_module(module), name)
