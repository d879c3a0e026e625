"""Objects are stored, shown, listed and refused as Storage does."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest

from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Project, Supabase

pytestmark = pytest.mark.server

PNG = {"Content-Type": "image/png"}
TEXT = {"Content-Type": "text/plain"}


class Storage(httpx.Client):
    def __init__(self, project: Project, key: str | None = None) -> None:
        headers = {"apikey": key, "Authorization": f"Bearer {key}"} if key else {}
        super().__init__(base_url=f"{project.url}/storage/v1", headers=headers, timeout=20.0)

    def put_up(self, name: str, content: bytes = b"bytes", /, **headers: str) -> httpx.Response:
        return self.post(f"/object/{name}", content=content, headers={**TEXT, **headers})

    def names(self, bucket: str, **told: Any) -> list[tuple[str, bool]]:
        """Return the names in a folder, with whether each is one itself."""
        rows = self.post(f"/object/list/{bucket}", json={"prefix": "", **told}).json()
        return [(row["name"], row["id"] is None) for row in rows]


def refused(answer: httpx.Response) -> tuple[int, str, str, str]:
    told = answer.json()
    return answer.status_code, told["statusCode"], told["error"], told["message"]


NO_OBJECT = (400, "404", "not_found", "Object not found")
NO_BUCKET = (400, "404", "Bucket not found", "Bucket not found")
DUPLICATE = (400, "409", "Duplicate", "The resource already exists")
DENIED = (400, "403", "Unauthorized", "new row violates row-level security policy")


@pytest.fixture(scope="module")
def project(supabase: Supabase) -> Project:
    return supabase.project()


@pytest.fixture
def storage(project: Project) -> Iterator[Storage]:
    with Storage(project, project.service_key) as client:
        client.post("/bucket", json={"name": "box"})
        client.post("/bucket", json={"name": "open", "public": True})
        yield client
        for bucket in client.get("/bucket").json():
            client.post(f"/bucket/{bucket['id']}/empty", json={})
            client.delete(f"/bucket/{bucket['id']}")


@pytest.fixture
def anybody(project: Project) -> Iterator[Storage]:
    with Storage(project) as client:
        yield client


def test_buckets_are_made_shown_changed_and_deleted(storage: Storage) -> None:
    made = storage.post("/bucket", json={"id": "b", "name": "b", "file_size_limit": "1kb"})
    assert (made.status_code, made.json()) == (200, {"name": "b"})
    assert refused(storage.post("/bucket", json={"name": "b"})) == DUPLICATE
    assert refused(storage.post("/bucket", json={"name": "a/b"})) == (
        *(400, "400", "Invalid Input", "Bucket name invalid"),
    )
    assert [each["id"] for each in storage.get("/bucket").json()] == ["box", "open", "b"]
    shown = storage.get("/bucket/b").json()
    assert (shown["public"], shown["file_size_limit"], shown["owner"]) == (False, 1024, "")
    assert refused(storage.get("/bucket/none")) == NO_BUCKET
    changed = storage.put("/bucket/b", json={"public": True, "allowed_mime_types": ["image/*"]})
    assert changed.json() == {"message": "Successfully updated"}
    shown = storage.get("/bucket/b").json()
    assert (shown["public"], shown["file_size_limit"]) == (True, 1024)
    assert shown["allowed_mime_types"] == ["image/*"]
    storage.put_up("b/x", **PNG)
    assert refused(storage.delete("/bucket/b"))[:2] == (400, "409")
    assert storage.post("/bucket/b/empty", json={}).json() == {"message": "Successfully emptied"}
    assert storage.delete("/bucket/b").json() == {"message": "Successfully deleted"}
    assert refused(storage.delete("/bucket/b")) == NO_BUCKET


def test_an_object_is_stored_and_shown(storage: Storage) -> None:
    answer = storage.put_up("box/a/b.txt", b"hello", **{"Cache-Control": "max-age=60"})
    assert (answer.status_code, answer.json()["Key"]) == (200, "box/a/b.txt")
    assert len(answer.json()["Id"]) == 36

    answer = storage.get("/object/box/a/b.txt")
    etag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert (answer.headers["ETag"], answer.headers["Accept-Ranges"]) == (etag, "bytes")
    assert storage.get("/object/authenticated/box/a/b.txt").content == b"hello"
    head = storage.head("/object/box/a/b.txt")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "5")


def test_a_form_brings_an_object_with_what_is_told_of_it(storage: Storage) -> None:
    fields = {"cacheControl": "3600", "metadata": json.dumps({"a": 1})}
    files = {"file": ("x.png", b"\x00\xff", "image/png")}

    assert storage.post("/object/box/x.png", data=fields, files=files).status_code == 200

    told = storage.get("/object/info/box/x.png").json()
    assert (told["name"], told["bucket_id"], told["size"]) == ("x.png", "box", 2)
    assert (told["content_type"], told["cache_control"]) == ("image/png", "max-age=3600")
    assert told["metadata"] == {"a": 1}
    assert storage.get("/object/box/x.png").content == b"\x00\xff"


def test_metadata_comes_in_a_header_too(storage: Storage) -> None:
    header = base64.b64encode(b'{"k": "v"}').decode()

    storage.put_up("box/x", **{"x-metadata": header})

    assert storage.get("/object/info/box/x").json()["metadata"] == {"k": "v"}


def test_an_object_is_not_written_over_unless_that_is_meant(storage: Storage) -> None:
    storage.put_up("box/x", b"1")

    assert refused(storage.put_up("box/x", b"2")) == DUPLICATE
    assert storage.get("/object/box/x").content == b"1"
    assert storage.put_up("box/x", b"3", **{"x-upsert": "true"}).status_code == 200
    assert storage.put("/object/box/x", content=b"4", headers=TEXT).status_code == 200
    assert storage.put("/object/box/new", content=b"5", headers=TEXT).status_code == 200
    assert storage.get("/object/box/x").content == b"4"
    assert storage.put_up("box/x", b"6", **{"If-None-Match": "*"}).status_code == 400


def test_what_is_not_there_is_told(storage: Storage) -> None:
    assert refused(storage.get("/object/box/none")) == NO_OBJECT
    assert refused(storage.get("/object/info/box/none")) == NO_OBJECT
    assert refused(storage.delete("/object/box/none")) == NO_OBJECT
    assert refused(storage.get("/object/info/none/x")) == NO_OBJECT
    assert refused(storage.get("/object/none/x")) == NO_BUCKET
    assert refused(storage.put_up("none/x")) == NO_BUCKET
    head = storage.head("/object/box/none")
    assert (head.status_code, head.content) == (400, b"")


@pytest.mark.parametrize("key", ["ü.txt", "a#b", "a[b]", "a%25b", "日本", "a%7Fb", "a^b", "a{b}"])
def test_a_key_of_other_characters_is_refused(storage: Storage, key: str) -> None:
    answer = storage.put_up(f"box/{key.replace('#', '%23')}")

    assert refused(answer)[:3] == (400, "400", "InvalidKey")
    assert refused(answer)[3] == f"Invalid key: {unquote(key)}"


@pytest.mark.parametrize("key", ["a b", "a+b", "a&b=c", "(x)!.-_*'$@;:,", "a//b", "deep/er/est"])
def test_a_key_of_plain_characters_is_taken(storage: Storage, key: str) -> None:
    assert storage.put_up(f"box/{key}").status_code == 200
    assert storage.get(f"/object/box/{key}").content == b"bytes"


def test_a_part_of_an_object_is_shown(storage: Storage) -> None:
    storage.put_up("box/x", b"0123456789")

    for asked, part, told in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ):
        answer = storage.get("/object/box/x", headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["Content-Range"] == told
    assert storage.get("/object/box/x", headers={"Range": "bytes=20-"}).status_code == 400


def test_an_object_that_is_known_is_not_sent(storage: Storage) -> None:
    storage.put_up("box/x")
    etag = storage.get("/object/box/x").headers["ETag"]

    answer = storage.get("/object/box/x", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert storage.get("/object/box/x", headers={"If-None-Match": '"other"'}).status_code == 200


def test_folders_come_first_in_a_list(storage: Storage) -> None:
    for key in ("b.txt", "a.txt", "dir/1", "dir/2", "dir/sub/3", "z/9", "A_b"):
        storage.put_up(f"box/{key}")

    assert storage.names("box", limit=4) == [
        *(("dir", True), ("z", True), ("A_b", False), ("a.txt", False)),
    ]
    assert storage.names("box", limit=2, offset=4) == [("b.txt", False)]
    assert storage.names("box", prefix="dir") == [("sub", True), ("1", False), ("2", False)]
    assert storage.names("box", prefix="dir/") == storage.names("box", prefix="dir")
    assert storage.names("box", search="a_") == [("A_b", False)]
    order = {"column": "name", "order": "desc"}
    assert storage.names("box", prefix="dir", sortBy=order)[1:] == [("2", False), ("1", False)]
    assert storage.names("box", prefix="none") == storage.names("none") == []
    row = storage.post("/object/list/box", json={"prefix": "z"}).json()[0]
    assert row["metadata"]["size"] == 5
    assert row["created_at"].endswith("Z")


def test_removing_tells_what_was_there(storage: Storage) -> None:
    storage.put_up("box/a")
    storage.put_up("box/b")

    told = storage.request("DELETE", "/object/box", json={"prefixes": ["a", "none"]})

    assert (told.status_code, [row["name"] for row in told.json()]) == (200, ["a"])
    assert storage.names("box") == [("b", False)]
    assert storage.delete("/object/box/b").json() == {"message": "Successfully deleted"}


def test_objects_are_moved_and_copied(storage: Storage) -> None:
    storage.put_up("box/a", b"1")
    storage.put_up("box/b", b"2")

    def between(way: str, source: str, key: str, **more: str) -> httpx.Response:
        told = {"bucketId": "box", "sourceKey": source, "destinationKey": key, **more}
        return storage.post(f"/object/{way}", json=told)

    assert between("move", "a", "dir/a").json()["message"] == "Successfully moved"
    assert refused(between("move", "a", "c")) == NO_OBJECT
    assert refused(between("move", "dir/a", "b")) == DUPLICATE
    assert between("copy", "b", "c").json()["Key"] == "box/c"
    assert between("copy", "b", "d", destinationBucket="open").json()["Key"] == "open/d"
    assert refused(between("copy", "b", "c")) == DUPLICATE
    assert refused(between("copy", "none", "x")) == NO_OBJECT
    assert [storage.get(f"/object/{key}").content for key in ("box/dir/a", "box/c", "open/d")] == [
        *(b"1", b"2", b"2"),
    ]


def test_too_much_is_refused_and_leaves_nothing(storage: Storage) -> None:
    storage.put("/bucket/box", json={"file_size_limit": 10})

    answer = storage.put_up("box/x", b"0" * 11)

    large = "The object exceeded the maximum allowed size"
    assert refused(answer) == (400, "413", "Payload too large", large)
    assert storage.put_up("box/y", b"0" * 10).status_code == 200
    assert storage.names("box") == [("y", False)]


def test_other_types_are_refused(storage: Storage) -> None:
    storage.put("/bucket/box", json={"allowed_mime_types": ["image/*", "text/css"]})

    assert refused(storage.put_up("box/x")) == (
        *(400, "415", "invalid_mime_type", "mime type text/plain is not supported"),
    )
    assert storage.put_up("box/x", **PNG).status_code == 200


def test_a_large_object_passes_through(storage: Storage) -> None:
    content = bytes(range(256)) * (16 * 1024)  # 4 MiB

    assert storage.post("/object/box/x", files={"file": ("x", content)}).status_code == 200

    assert storage.get("/object/box/x").content == content


def test_a_signed_url_lets_anybody_in_for_a_while(storage: Storage, anybody: Storage) -> None:
    storage.put_up("box/a b/x", b"secret")
    url = storage.post("/object/sign/box/a b/x", json={"expiresIn": "60"}).json()["signedURL"]

    assert url.startswith("/object/sign/box/a%20b/x?token=")
    assert anybody.get(url).content == b"secret"
    named = anybody.get(f"{url}&download=n.txt").headers["Content-Disposition"]
    assert named.startswith("attachment; filename=n.txt")
    assert refused(anybody.get(url.replace("/x?", "/y?")))[2] == "InvalidSignature"
    assert refused(anybody.get(f"{url}x"))[2] == "InvalidJWT"
    assert refused(storage.post("/object/sign/box/none", json={"expiresIn": 60})) == NO_OBJECT


def test_a_signed_url_ends(storage: Storage, anybody: Storage, project: Project) -> None:
    storage.put_up("box/x")
    claims = {"url": "box/x", "exp": int(time.time()) - 1}

    answer = anybody.get(f"/object/sign/box/x?token={signed(claims, project.jwt_secret)}")

    assert refused(answer) == (400, "400", "InvalidJWT", "jwt expired")


def test_many_are_signed_at_once(storage: Storage, anybody: Storage) -> None:
    storage.put_up("box/x")

    told = storage.post("/object/sign/box", json={"expiresIn": 60, "paths": ["x", "none"]}).json()

    assert anybody.get(told[0]["signedURL"]).content == b"bytes"
    assert (told[0]["error"], told[1]["signedURL"]) == (None, None)
    assert told[1]["error"] == "Either the object does not exist or you do not have access to it"


def test_an_upload_is_signed(storage: Storage, anybody: Storage) -> None:
    told = storage.post("/object/upload/sign/box/x").json()

    answer = anybody.put(told["url"], content=b"up", headers=TEXT)

    assert answer.json() == {"Key": "box/x"}
    assert storage.get("/object/box/x").content == b"up"
    assert refused(anybody.put(told["url"], content=b"again", headers=TEXT)) == DUPLICATE
    assert refused(storage.post("/object/upload/sign/box/x")) == DUPLICATE
    over = storage.post("/object/upload/sign/box/x", headers={"x-upsert": "true"}).json()
    assert anybody.put(over["url"], content=b"over", headers=TEXT).status_code == 200


def test_a_public_bucket_is_open_to_anybody(storage: Storage, anybody: Storage) -> None:
    storage.put_up("open/x")
    storage.put_up("box/x")

    assert anybody.get("/object/public/open/x").content == b"bytes"
    assert anybody.get("/object/open/x").content == b"bytes"
    assert refused(anybody.get("/object/public/box/x")) == NO_BUCKET
    assert refused(anybody.get("/object/public/open/none")) == NO_OBJECT
    assert refused(anybody.get("/object/box/x"))[:3] == (400, "403", "Unauthorized")


def test_policies_decide_who_may_do_what(supabase: Supabase) -> None:
    project = supabase.project("""
        INSERT INTO storage.buckets (id, name) VALUES ('box', 'box');
        CREATE POLICY own ON storage.objects FOR ALL TO authenticated USING
            (bucket_id = 'box' AND (storage.foldername(name))[1] = auth.uid()::text);
    """)
    person = "11111111-1111-4111-8111-111111111111"
    token = signed({"role": "authenticated", "sub": person}, project.jwt_secret)
    other = signed({"role": "authenticated"}, project.jwt_secret)
    with Storage(project, token) as user, Storage(project, other) as stranger:
        assert user.put_up(f"box/{person}/x").status_code == 200
        assert refused(user.put_up("box/elsewhere/x")) == DENIED
        assert refused(stranger.put_up(f"box/{person}/x", **{"x-upsert": "true"})) == DENIED
        assert user.get(f"/object/box/{person}/x").content == b"bytes"
        assert refused(stranger.get(f"/object/box/{person}/x")) == NO_OBJECT
        assert (len(user.names("box")), stranger.names("box")) == (1, [])
        told = {"prefixes": [f"{person}/x"]}
        assert stranger.request("DELETE", "/object/box", json=told).json() == []
        assert refused(stranger.post("/bucket", json={"name": "new"})) == DENIED


def test_who_calls_must_be_told(anybody: Storage, project: Project, storage: Storage) -> None:
    assert refused(anybody.get("/bucket")) == (
        *(400, "400", "Error", "headers must have required property 'authorization'"),
    )
    for token, message in (
        ("nonsense", "jwt malformed"),
        (signed({"role": "anon"}, "x" * 40), "invalid signature"),
        (signed({"role": "anon", "exp": 1}, project.jwt_secret), "jwt expired"),
    ):
        with Storage(project, token) as client:
            assert refused(client.get("/bucket")) == (400, "403", "Unauthorized", message)


def test_an_upload_that_breaks_off_leaves_nothing(storage: Storage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"begin"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        storage.post("/object/box/x", content=broken(), headers=TEXT)

    assert storage.names("box") == []
    assert storage.put_up("box/x").status_code == 200


def test_an_object_that_is_there_is_told_by_its_own_code(storage: Storage) -> None:
    storage.put_up("box/once")
    answers = [storage.put_up("box/once"), storage.post("/object/upload/sign/box/once")]

    assert [refused(each) for each in answers] == [DUPLICATE] * 2
    assert {each.json()["code"] for each in answers} == {"KeyAlreadyExists"}


def test_a_key_may_end_with_a_slash_but_not_be_one(storage: Storage) -> None:
    assert storage.put_up("box/folder/").json()["Key"] == "box/folder/"
    assert storage.get("/object/box/folder/").content == b"bytes"
    assert refused(storage.put_up("box/"))[:3] == (400, "400", "InvalidKey")
    assert storage.get("/bucket/").status_code == 200


def test_a_token_may_be_sent_by_itself(
    storage: Storage, anybody: Storage, project: Project
) -> None:
    storage.put_up("box/a")
    told = {"Authorization": project.service_key}

    assert anybody.get("/object/authenticated/box/a", headers=told).content == b"bytes"
    told["Authorization"] += "x"
    assert refused(anybody.get("/object/authenticated/box/a", headers=told))[1] == "403"
