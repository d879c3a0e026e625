"""What we keep beside an object's bytes, and what S3 tells of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.domains.media import Info, metadata_of
from lamina.errors import Corrupt, Invalid
from lamina.values import EMPTY, Json

if TYPE_CHECKING:
    from lamina.domains.media import Begin, Put

OURS: Final = "lamina"
"""The name of the header, beneath ``x-amz-meta-``."""

_ROOM: Final = 2048 - len(OURS)
"""Bytes of metadata that S3 keeps."""

_TYPE: Final = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
_ETAG: Final = re.compile(r"[!#-~]{1,200}")
_UNKNOWN: Final = "application/octet-stream"
_NONE: Final = metadata_of(EMPTY)


@final
@dataclass(frozen=True, slots=True)
class Label:
    """What S3 would not keep as given.

    *key* is empty where the object's name tells it. *digest* is the SHA-256 of the whole (empty
    for uploads in parts), *modified* when it was written, in Unix seconds, *token* names the
    upload that made it.
    """

    key: str
    type: str
    metadata: Json = EMPTY
    digest: str = ""
    modified: float | None = None
    token: str = ""

    @classmethod
    def of(
        cls, op: Put | Begin, *, digest: str = "", modified: float | None = None, token: str = ""
    ) -> Label:
        """Return the label of what *op* writes.

        Raises:
            Invalid: Its metadata is no JSON object.
        """
        metadata_of(op.metadata)
        return cls(op.key, op.type, op.metadata, digest, modified, token)

    @property
    def content_type(self) -> str:
        """The type that S3 is told: ours if it can be a header."""
        return self.type if _TYPE.fullmatch(self.type) else _UNKNOWN

    def kept(self, *, cut: bool) -> dict[str, str]:
        """Return it as metadata; *cut* says that the object's name does not tell its key.

        Raises:
            Invalid: There is more of it than S3 keeps.
        """
        told = {
            "k": base64.b64encode(self.key.encode()).decode() if cut else "",
            "t": "" if self.type == self.content_type else self.type,
            "m": "" if self.metadata == EMPTY else self.metadata.data.decode(),
            "d": self.digest,
            "w": self.modified,
            "u": self.token,
        }
        text = json.dumps({field: one for field, one in told.items() if one}, separators=(",", ":"))
        text = text.replace("\x7f", "\\u007f")  # which JSON takes, and a header does not
        if len(text) > _ROOM:
            msg = f"metadata with {len(text)} bytes is more than the {_ROOM} that S3 keeps"
            raise Invalid(msg)
        return {OURS: text}

    @classmethod
    def read(cls, kept: Mapping[str, str], content_type: str) -> Label | None:
        """Return what was kept, None for an object that something else wrote.

        Raises:
            Corrupt: It is not what was kept.
        """
        text = kept.get(OURS)
        if text is None:
            return None
        try:
            told: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _damaged() from error
        if not isinstance(told, dict):
            raise _damaged()
        fields = cast("dict[str, Any]", told)
        moment = fields.get("w")
        texts = [fields.get(name, "") for name in ("k", "t", "m", "d", "u")]
        if not all(isinstance(one, str) for one in texts) or not isinstance(
            moment, int | float | None
        ):
            raise _damaged()
        key, type_, metadata, digest, token = texts
        try:
            data = Json(metadata.encode()) if metadata else EMPTY
            if metadata:
                metadata_of(data)
            whole = base64.b64decode(key, validate=True).decode()
        except (ValueError, RecursionError, Invalid) as error:
            raise _damaged() from error
        return cls(whole, type_ or content_type, data, digest, moment, token)


@final
@dataclass(frozen=True, slots=True)
class Stored:
    """An object as S3 tells it."""

    size: int
    etag: str
    type: str
    modified: float
    label: Label | None

    @classmethod
    def of(cls, told: Any) -> Stored:
        """Read what HEAD or GET answers, of a whole object or a range.

        Raises:
            Corrupt: It is not what S3 answers.
        """
        try:
            _, _, whole = told.get("ContentRange", "").partition("/")
            size = int(whole) if whole else int(told["ContentLength"])
            type_ = str(told.get("ContentType", _UNKNOWN))
            etag, modified = bare(told["ETag"]), told["LastModified"].timestamp()
        except (KeyError, ValueError, AttributeError) as error:
            raise _damaged() from error
        return cls(size, etag, type_, modified, Label.read(told.get("Metadata", {}), type_))

    def info(self, key: str) -> Info:
        """Return it as the object under *key*."""
        label = self.label or Label(key, self.type)
        moment = self.modified if label.modified is None else label.modified
        told = _NONE if label.metadata is EMPTY else metadata_of(label.metadata)
        return Info(key, self.size, self.etag, label.type, told, moment)


def text_of(told: Any, field: str) -> str:
    """Return a text that an answer must have: a gateway's page has none.

    Raises:
        Corrupt: It has not.
    """
    found = told.get(field)
    if not isinstance(found, str) or not found:
        raise _damaged()
    return found


def bare(etag: str) -> str:
    """Return an etag without its quotes."""
    return etag.removeprefix("W/").strip('"')


def quoted(etag: str) -> str:
    """Return an etag as a condition has it; what can be none becomes one that nothing has."""
    return f'"{etag}"' if _ETAG.fullmatch(etag) else '"-"'


def in_base64(digest: str) -> str:
    """Return a SHA-256 in hexadecimal as S3's headers have it."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _damaged() -> Corrupt:
    return Corrupt("what S3 tells of an object is not understood")
