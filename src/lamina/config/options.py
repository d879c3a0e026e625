"""Options in a file or the environment, checked: what each backend takes."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from lamina.errors import StackError

if TYPE_CHECKING:
    from lamina.embed import LexicalEmbedder, WordLlamaEmbedder

_NO_TEXT: Final = frozenset({int, float, bool, type(None)})


class Told(str):
    """Text from the environment, which may stand for a number or a truth value."""

    __slots__ = ()


def is_told(value: object) -> bool:
    """Tell whether the environment told *value*, or any part of it."""
    if isinstance(value, list):
        return any(map(is_told, cast("list[object]", value)))
    return isinstance(value, Told)


class Options(BaseModel):
    """The base of all options: unknown names are refused, and no value is ever shown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_type(cls, value: object, info: ValidationInfo) -> object:
        """Refuse ``ttl = true`` and ``ttl = "30"``: only what is told as text may be converted."""
        kinds = _kinds(cls.model_fields[info.field_name or ""].annotation)
        if isinstance(value, Told):
            several = kinds & {list, tuple} and (str not in kinds or "," in value)
            return [part.strip() for part in value.split(",")] if several else str(value)
        wrong = (
            (isinstance(value, bool) and bool not in kinds)
            or (isinstance(value, str) and kinds <= _NO_TEXT)
            or (
                isinstance(value, int | float)
                and kinds <= {bool, type(None)}
                and value not in (True, False)
            )
        )
        if wrong:
            names = " or ".join(sorted(kind.__name__ for kind in kinds if kind is not type(None)))
            msg = f"must be {names}, got {type(value).__name__}"
            raise ValueError(msg)
        return value


class BackendOptions(Options):
    """The options of one backend."""

    def arguments(self, home: Path, domain: str) -> dict[str, Any]:
        """Return what its constructor takes; data without a place of its own goes to *home*."""
        del home, domain
        return self.model_dump(exclude_none=True, by_alias=True)


class MemoryOptions(BackendOptions):
    """In memory: nothing to set."""


class SqliteOptions(BackendOptions):
    """A database file; without a *path* ``<home>/<domain>.db``."""

    path: Path | None = None
    busy: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    def arguments(self, home: Path, domain: str) -> dict[str, Any]:
        told = super().arguments(home, domain)
        return {**told, "path": _place(self.path, home / f"{domain}.db")}


class FilesOptions(BackendOptions):
    """A folder; without a *root* ``<home>/media``."""

    root: Path | None = None
    uploads_kept: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    threads: int | None = Field(default=None, ge=1)

    def arguments(self, home: Path, domain: str) -> dict[str, Any]:
        told = super().arguments(home, domain)
        return {**told, "root": _place(self.root, home / domain)}


class Embeds(BackendOptions):
    """Of a backend that embeds text itself: *embedder* ``auto`` takes the best installed."""

    embedder: Literal["auto", "wordllama", "lexical"] = "auto"
    metric: Literal["cosine", "dot", "euclidean"] | None = None

    def arguments(self, home: Path, domain: str) -> dict[str, Any]:
        return {**super().arguments(home, domain), "embedder": _embedder(self.embedder)}


class MemoryVectorsOptions(Embeds):
    """Vectors in memory."""

    kind: Literal["dense", "sparse", "hybrid"] | None = None


class SqliteVectorsOptions(MemoryVectorsOptions, SqliteOptions):
    """Vectors in a database file; *ann* searches approximately where that is faster."""

    ann: bool | None = None


def _place(path: Path | None, default: Path) -> Path:
    if path is None:
        return default
    try:
        return path.expanduser()
    except RuntimeError as error:
        msg = "a path begins with '~' and there is no such home"
        raise StackError(msg) from error


def _embedder(name: str) -> WordLlamaEmbedder | LexicalEmbedder:
    from lamina.embed import LexicalEmbedder, WordLlamaEmbedder, default_embedder

    if name == "lexical":
        return LexicalEmbedder()
    return WordLlamaEmbedder() if name == "wordllama" else default_embedder()


def _kinds(annotation: Any) -> set[type]:
    """Return the plain types that an annotation names."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return {kind for part in get_args(annotation) for kind in _kinds(part)}
    if origin is Literal:
        return {type(value) for value in get_args(annotation)}
    if origin is None:
        return {annotation} if isinstance(annotation, type) else {object}
    return {origin} if isinstance(origin, type) else {object}
