"""The official client works against the local Supabase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from postgrest import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClientOptions, acreate_client

if TYPE_CHECKING:
    from supabase import AsyncClient

    from lamina.testing.servers import Project

pytestmark = pytest.mark.server


class Connected:
    """The client over a pool that is closed after its use."""

    def __init__(self, project: Project) -> None:
        self._project = project

    async def __aenter__(self) -> AsyncClient:
        self._http = httpx.AsyncClient(timeout=20.0)
        options = AsyncClientOptions(httpx_client=self._http, postgrest_client_retry=False)
        return await acreate_client(self._project.url, self._project.service_key, options=options)

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


async def test_filters_of_the_client_find_rows(project: Project) -> None:
    async with Connected(project) as client:
        people = client.table("person")
        select = "id, name"
        assert (await people.select(select).eq("id", 1).single().execute()).data == {
            "id": 1,
            "name": "Ann",
        }
        assert (await people.select("id").eq("id", 99).maybe_single().execute()) is None
        for query in (
            people.select("id").in_("name", ["Ann", "Bob, Jr. (x)"]),
            people.select("id").or_("id.eq.1,id.eq.2"),
            people.select("id").lte("id", 2).gte("id", 1),
            people.select("id").overlaps("tags", ["a", "b"]),
            people.select("id").not_.is_("meta", "null"),
            people.select("id").range(0, 1),
            people.select("id").like_any_of("name", "A*,B*"),
            people.select("id").text_search("words", "fat"),
        ):
            assert (await query.order("id").execute()).data == [{"id": 1}, {"id": 2}]
        adjacent = people.select("id").range_adjacent(
            "during", ["2000-01-01 12:00", "2000-01-01 13:00"]
        )
        assert (await adjacent.execute()).data == [{"id": 1}]
        contained = people.select("id").contains("meta", {"n": {"x": "1"}})
        assert (await contained.execute()).data == [{"id": 1}]
        counted = await people.select("id", count="exact", head=True).execute()
        assert (counted.count, counted.data) == (3, [])
        assert (await people.select("id,name").eq("id", 1).csv().execute()).data == "id,name\n1,Ann"


async def test_writes_of_the_client_give_rows(project: Project) -> None:
    async with Connected(project) as client:
        clubs = client.table("club")
        rows = [{"id": 80, "name": "a"}, {"id": 81, "name": "b"}]
        assert (await clubs.insert(rows).execute()).data == rows
        merged = await clubs.upsert({"id": 80, "name": "c"}, count="exact").execute()
        assert (merged.data, merged.count) == ([{"id": 80, "name": "c"}], 1)
        assert (await clubs.update({"name": "d"}).eq("id", 99).execute()).data == []
        with pytest.raises(APIError) as caught:
            await clubs.delete().gte("id", 80).max_affected(1).execute()
        assert caught.value.code == "PGRST124"
        gone = await clubs.delete().gte("id", 80).execute()
        assert [row["id"] for row in gone.data] == [80, 81]


async def test_functions_of_the_client_are_called(project: Project) -> None:
    async with Connected(project) as client:
        assert (await client.rpc("add", {"a": 1, "b": 2}).execute()).data == 3
        assert (await client.rpc("add", {"a": 1, "b": 2}, get=True).execute()).data == 3
        assert not (await client.rpc("nothing").execute()).data
        people = client.rpc("people", {"above": 1}).select("id").eq("id", 3)
        assert (await people.single().execute()).data == {"id": 3}


async def test_the_client_knows_errors_by_their_code(project: Project) -> None:
    async with Connected(project) as client:
        for query, code in (
            (client.table("unknown").select("*"), "42P01"),
            (client.table("person").select("nope"), "42703"),
            (client.table("person").insert({"id": 1}), "23505"),
            (client.table("person").select("id").single(), "PGRST116"),
            (client.rpc("nope"), "PGRST202"),
            (client.schema("nope").table("person").select("*"), "PGRST106"),
        ):
            with pytest.raises(APIError) as caught:
                await query.execute()
            assert caught.value.code == code


async def test_storage_of_the_client_keeps_objects(project: Project) -> None:
    async with Connected(project) as client:
        await client.storage.create_bucket("box")
        box = client.storage.from_("box")
        await box.upload("a/x.txt", b"1", {"content-type": "text/plain"})
        with pytest.raises(StorageApiError) as caught:
            await box.upload("a/x.txt", b"2")
        assert (caught.value.status, caught.value.code) == ("409", "Duplicate")
        await box.upload("a/x.txt", b"2", {"upsert": "true"})
        assert await box.download("a/x.txt") == b"2"
        assert (await box.exists("a/x.txt"), await box.exists("none")) == (True, False)
        assert [each["name"] for each in await box.list("a")] == ["x.txt"]
        url = (await box.create_signed_url("a/x.txt", 60))["signedURL"]
        assert (await client.storage._client.get(url)).content == b"2"
        told = await box.create_signed_upload_url("up")
        await box.upload_to_signed_url("up", told["token"], b"3")
        await box.move("up", "moved")
        await box.copy("moved", "copied")
        assert len(await box.remove(["moved", "copied", "none"])) == 2
        await client.storage.empty_bucket("box")
        await client.storage.delete_bucket("box")
