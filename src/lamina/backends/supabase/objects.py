"""What Storage tells of an object, and what we keep beside its bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.domains.media import Info, metadata_of
from lamina.errors import Corrupt, Invalid
from lamina.values import FrozenDict, Json

if TYPE_CHECKING:
    from lamina.domains.media import Begin, Put

_OURS: Final = "lamina"
_TYPE: Final = re.compile(r"[!-~][ -~]{0,127}")
_UNKNOWN: Final = "application/octet-stream"


@final
@dataclass(frozen=True, slots=True)
class Label:
    """What we keep beside an object's bytes: all that Storage would not keep as given."""

    key: str
    type: str
    metadata: Json
    upload: str = ""

    @classmethod
    def of(cls, op: Put | Begin, upload: str = "") -> Label:
        """Return the label of what *op* writes.

        Raises:
            Invalid: Its metadata is no JSON object.
        """
        metadata_of(op.metadata)
        return cls(op.key, op.type, op.metadata, upload)

    @property
    def content_type(self) -> str:
        """The type that Storage is told: ours if it can be a header."""
        return self.type if _TYPE.fullmatch(self.type) else _UNKNOWN

    def kept(self) -> dict[str, Any]:
        """Return it as Storage keeps it, as text: jsonb would change numbers."""
        told = [self.key, self.type, self.metadata.data.decode(), self.upload]
        return {_OURS: Json.of(told).data.decode()}

    @classmethod
    def read(cls, kept: object) -> Label | None:
        """Return what was kept, None for an object that something else wrote."""
        text = _mapping(kept).get(_OURS)
        if not isinstance(text, str):
            return None
        told: Any = Json(text.encode()).value()
        try:
            key, type_, metadata, upload = map(_text, told)
        except (TypeError, ValueError) as error:
            raise _damaged() from error
        return cls(key, type_, Json(metadata.encode()), upload)


@final
@dataclass(frozen=True, slots=True)
class Stored:
    """An object as Storage tells it."""

    name: str
    size: int
    etag: str
    type: str
    modified: float
    label: Label | None

    @classmethod
    def of_info(cls, told: object, name: str) -> Stored:
        """Read what ``info`` answers.

        Raises:
            Corrupt: It is not what Storage answers.
        """
        found = _mapping(told)
        return cls(
            name,
            _whole(found.get("size")),
            bare(_text(found.get("etag"))),
            _text(found.get("content_type")),
            _moment(found.get("last_modified")),
            Label.read(found.get("metadata")),
        )

    @classmethod
    def of_row(cls, told: object) -> Stored:
        """Read one row that ``lamina_objects`` answers.

        Raises:
            Corrupt: It is not what that function answers.
        """
        row = _mapping(told)
        found = _mapping(row.get("metadata"))
        return cls(
            _text(row.get("name")),
            _whole(found.get("size")),
            bare(_text(found.get("eTag"))),
            _text(found.get("mimetype")),
            _moment(row.get("updated_at")),
            Label.read(row.get("user_metadata")),
        )

    def info(self, key: str) -> Info:
        """Return it as the object under *key*."""
        if self.label is None:
            return Info(key, self.size, self.etag, self.type, FrozenDict(), self.modified)
        try:
            metadata = metadata_of(self.label.metadata)
        except Invalid as error:
            raise _damaged() from error
        return Info(key, self.size, self.etag, self.label.type, metadata, self.modified)


def bare(etag: str) -> str:
    """Return an etag without its quotes and mark."""
    return etag.removeprefix("W/").strip('"')


def _mapping(told: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise _damaged()
    return told


def _whole(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int):
        raise _damaged()
    return told


def _moment(told: object) -> float:
    """Return Unix seconds; of a moment some answers tell the microseconds, others do not."""
    try:
        moment = datetime.fromisoformat(_text(told))
    except ValueError as error:
        raise _damaged() from error
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000).timestamp()


def _damaged() -> Corrupt:
    return Corrupt("what Storage tells of an object is not understood")
