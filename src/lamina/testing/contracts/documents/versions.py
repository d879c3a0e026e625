"""Versions count every write, and a condition on them loses no update."""

from __future__ import annotations

import asyncio

import pytest

from lamina.domains.documents import Documents, Read, Update, Write
from lamina.errors import Conflict
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.punctual import punctual


class VersionedDocuments(BackendContract[Documents]):
    """Versions, times and partial updates."""

    async def test_counts_every_write_from_one(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await store.set("a", "1")
            await store.set("a", "2")
            assert await store.update("a", content="3") == 3
            assert await store.update("a", metadata={"n": 1}, expected_version=3) == 4
            found = await store.get("a")
            assert found is not None
            assert (found.version, found.content, dict(found.metadata)) == (4, "3", {"n": 1})

    async def test_begins_again_after_a_delete(self) -> None:
        async with self.opened(Read, Write) as store:
            await store.set("a", "1", metadata={"n": 1}, path="/a")
            await store.set("a", "2", metadata={"n": 1}, path="/a")
            await store.delete("a")
            await store.set("a", "3")
            found = await store.get("a")
            assert found is not None
            assert (found.version, found.path, dict(found.metadata)) == (1, None, {})

    async def test_replaces_the_whole_document_when_written(self) -> None:
        async with self.opened(Read, Write) as store:
            await store.set("a", "1", metadata={"n": 1}, path="/a")
            await store.set("a", "2")
            found = await store.get("a")
            assert found is not None
            assert (found.content, dict(found.metadata), found.path) == ("2", {}, None)

    async def test_changes_only_what_an_update_gives(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await store.set("a", "1", metadata={"n": 1}, path="/a")
            await store.update("a", content="")
            await store.update("a")
            found = await store.get("a")
            assert found is not None
            assert (found.content, dict(found.metadata), found.path) == ("", {"n": 1}, "/a")
            await store.update("a", metadata={})
            found = await store.get("a")
            assert found is not None
            assert (found.content, dict(found.metadata), found.version) == ("", {}, 4)

    @punctual(0.05)
    async def test_tells_when_it_was_created_and_changed(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await store.set("a", "1")
            start = store.bound.runtime.wall()
            await self.elapse(10)
            await store.set("a", "2")
            await self.elapse(10)
            await store.update("a", content="3")
            found = await store.get("a")
            assert found is not None
            assert near(found.created_at, start, 0.1)
            assert near(found.updated_at, start + 20, 0.1)

    async def test_writes_nothing_on_a_conflict(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await store.set("a", "1")
            before = await store.get("a")
            for version in (2, 99):
                with pytest.raises(Conflict):
                    await store.update("a", content="2", expected_version=version)
            assert await store.get("a") == before
            assert await store.update("none", content="2", expected_version=1) is None

    async def test_lets_one_racer_win_each_version(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await store.set("a", "0")
            told = await asyncio.gather(
                *(
                    store.update("a", content=str(place), expected_version=1)
                    for place in range(self.racers)
                ),
                return_exceptions=True,
            )
            winners = [place for place, answer in enumerate(told) if answer == 2]
            assert len(winners) == 1
            assert sum(isinstance(answer, Conflict) for answer in told) == self.racers - 1
            found = await store.get("a")
            assert found is not None
            assert (found.version, found.content) == (2, str(winners[0]))

    async def test_counts_every_one_of_racing_writes(self) -> None:
        async with self.opened(Read, Write, Update) as store:
            await asyncio.gather(*(store.set("a", str(place)) for place in range(self.racers)))
            told = await asyncio.gather(
                *(store.update("a", content="x") for _ in range(self.racers))
            )
            first = self.racers + 1
            assert sorted(version or 0 for version in told) == [*range(first, first + self.racers)]
