"""One operation of each type, and names that have broken stores before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.domains.documents import (
    Find,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Update,
    Write,
    WriteAt,
    WriteMany,
)
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.media import (
    Abort,
    Begin,
    Erase,
    Finish,
    Head,
    HeadMany,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
    Sign,
)
from lamina.domains.store import Check
from lamina.domains.vectors import (
    Drop,
    DropWhere,
    Fetch,
    FetchMany,
    Info,
    ListIds,
    Namespaces,
    Nearest,
    NearestMany,
    NearestPage,
    Upsert,
    UpsertMany,
)
from lamina.values import Json, Vector

if TYPE_CHECKING:
    from lamina.operation import Operation

_ONE: Final = Json.of(1)
_VECTOR: Final = Vector.of([1.0, 0.0])

SAMPLES: Final[dict[str, tuple[Operation[Any], ...]]] = {
    "keyvalue": (
        Check(),
        Get("a"),
        GetStamped("a"),
        Set("a", b"1"),
        Delete("a"),
        CompareAndSet("a", None, b"1"),
        Append("a", (_ONE,)),
        Increment("a"),
        Expire("a", 1.0),
        TimeToLive("a"),
        Scan(),
        GetMany(("a", "b")),
        GetStampedMany(("a", "b")),
        SetMany((("a", b"1"), ("b", b"2"))),
    ),
    "documents": (
        Check(),
        Read("a"),
        ReadAt("/a"),
        Write("a", "text"),
        WriteAt("/a", "a", "text"),
        Update("a", "text"),
        Remove("a"),
        Find(),
        ReadMany(("a", "b")),
        WriteMany((Write("a", "text"), Write("b", "text"))),
    ),
    "vectors": (
        Check(),
        Fetch("a"),
        Upsert("a", _VECTOR),
        Drop("a"),
        DropWhere(None),
        Nearest(_VECTOR),
        NearestPage(_VECTOR),
        Namespaces(),
        Info(),
        ListIds(),
        FetchMany(("a", "b")),
        NearestMany((Nearest(_VECTOR), Nearest(_VECTOR, top_k=1))),
        UpsertMany((Upsert("a", _VECTOR), Upsert("b", _VECTOR))),
    ),
    "media": (
        Check(),
        Head("a"),
        HeadMany(("a", "b")),
        ReadRange("a"),
        Put("a", b"1"),
        Begin("a"),
        PutPart("a", "upload", 1, b"1"),
        Finish("a", "upload", ("etag",)),
        Abort("a", "upload"),
        Erase("a"),
        ListObjects(),
        Sign("a"),
    ),
}
"""One operation of each type by domain; the health check belongs to all."""

NAMES: Final = (
    "a",
    "A",
    " a",
    "a ",
    "a.",
    ".",
    "..",
    "a/b",
    "a//b",
    "/a",
    "a/",
    "../../etc/passwd",
    "a/../b",
    "..\\..\\a",
    "C:\\a",
    "con",
    "-rf",
    "a:b",
    "a::b",
    "a\\b",
    "a%2Fb",
    "a%",
    "a_",
    "a*",
    "a?",
    "[a]",
    "{a}",
    "a'; DROP TABLE a; --",
    'a"b',
    "tab\there",
    "line\nbreak\r\n",
    "\x01\x1f\x7f",
    "é",
    "e\u0301",
    "ключ",
    "汉字",
    "\u202eabc",
    "שלום",
    "\ufeffa",
    "a\u2028b",
    "\u200b",
    "\ue000",
    "\uffff",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U0010ffff",
    "x" * 1024,
    "x" * 1023 + "y",
    "ж" * 512,
)
"""Valid names, all different: each must be stored under itself and no other."""

REFUSED: Final = ("", "\0", "a\0b", "\ud800", "x" * 1025, "ж" * 513)
"""Names that no store may take."""
