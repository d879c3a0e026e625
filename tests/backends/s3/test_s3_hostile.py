"""Values that no client validates for us arrive as they are, or are refused unsent."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from lamina.backends.s3 import S3Media
from lamina.domains.media import Abort, Begin, Finish, ListObjects, Put, PutPart, ReadRange
from lamina.errors import StorageError
from lamina.stack import Stack
from lamina.testing.faults import Answer, FaultServer
from lamina.testing.samples import NAMES, REFUSED
from lamina.testing.servers import S3

pytestmark = pytest.mark.server

OK: Final = Answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
UPLOAD: Final = "0123456789abcdef-x"
PART: Final = f"{'0' * 64}-etag"


async def test_no_key_becomes_another_bucket_another_key_or_another_question() -> None:
    """Where keys are not validated, an empty one would be the bucket: deleted, or made."""
    saved = Answer(200, b"", {"etag": '"e"'})
    async with (
        FaultServer(OK, default=saved) as server,
        Stack().over(
            S3Media("media", endpoint=server.url, access_key="A", secret_key="S")
        ) as store,
    ):
        seen: set[str] = set()
        for name in (*NAMES, "a?acl", "a#b", "a&uploadId=1", "?", "..", "../other", "a/../../b"):
            await store.set(name, b"1")
            asked = server.requests[-1]
            assert asked.method == "PUT"
            assert asked.headers["user-agent"].startswith("lamina aiobotocore/")
            place = urlsplit(asked.path)
            assert place.query == place.fragment == ""
            assert place.path.startswith("/media/")
            assert len(place.path) > len("/media/")
            assert not {"", ".", ".."} & {*unquote(place.path).split("/")[1:]}, ascii(name)
            seen.add(place.path)
        assert len(seen) == len({*NAMES, "a?acl", "a#b", "a&uploadId=1", "?", "..", "../other"}) + 1


RIGHT: Final[dict[Any, dict[str, Any]]] = {
    Put: {"key": "a", "data": b"1"},
    Begin: {"key": "a"},
    PutPart: {"key": "a", "upload": UPLOAD, "number": 1, "data": b"1"},
    Finish: {"key": "a", "upload": UPLOAD, "parts": (PART,)},
    ReadRange: {"key": "a"},
    ListObjects: {},
}
WRONG: Final[dict[tuple[Any, str], tuple[Any, ...]]] = {
    (Put, "key"): (*REFUSED, "", None, 1, b"a"),
    (Put, "data"): ("text", None, 1, [b"1"]),
    (Put, "type"): (None, 1),
    (Begin, "type"): (None, 1),
    (PutPart, "number"): (0, -1, "1", 10_001),
    (PutPart, "data"): ("text", None),
    (PutPart, "upload"): ("", "x&y", "a\r\nb", None),
    (Finish, "parts"): ((), ("x",), (None,), (f"{PART}\r\n",)),
    (ReadRange, "start"): (-1, "0", None, 1.5),
    (ReadRange, "length"): (0, -1, "1", None),
    (ListObjects, "prefix"): (None, 1),
    (ListObjects, "cursor"): (1, b"x"),
    (ListObjects, "limit"): (0, -1, "1"),
}


@pytest.mark.parametrize(("op", "field"), WRONG)
async def test_what_is_no_value_of_its_field_is_never_sent(op: Any, field: str) -> None:
    async with (
        FaultServer(OK, default=OK) as server,
        Stack().over(
            S3Media("media", endpoint=server.url, access_key="A", secret_key="S")
        ) as store,
    ):
        for value in WRONG[op, field]:
            with pytest.raises((StorageError, TypeError, ValueError)):
                await store.bound.send(op(**{**RIGHT[op], field: value}))
            assert server.count == 1, ascii(value)


async def test_an_abort_of_what_is_no_upload_is_never_sent() -> None:
    async with (
        FaultServer(OK, default=OK) as server,
        Stack().over(
            S3Media("media", endpoint=server.url, access_key="A", secret_key="S")
        ) as store,
    ):
        for upload in ("x", "0123456789abcdef-", "0123456789abcdef-a\r\nx: y"):
            assert await store.bound.send(Abort("a", upload)) is False
        assert server.count == 1


async def test_a_signed_url_of_an_odd_key_gives_its_own_bytes(s3: S3) -> None:
    media = S3Media(
        s3.bucket(), endpoint=s3.url, access_key=s3.access_key, secret_key=s3.secret_key
    )
    odd = (
        "a+b",
        "a b",
        "a%2Fb",
        "a?x=1&y",
        "a#b",
        "a//b",
        "../a",
        "\u00fc\u0301",
        "a'\"<>;=@:,$~*()!",
    )
    async with Stack().over(media) as store, httpx.AsyncClient(trust_env=False) as web:
        for name in odd:
            await store.set(name, name.encode())
        for name in odd:
            found = await web.get(await store.url(name))
            assert (found.status_code, found.content) == (200, name.encode()), ascii(name)
