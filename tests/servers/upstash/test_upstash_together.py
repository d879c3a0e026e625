"""Many clients at once: nothing is lost, and answers are those of an exact search."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest
from upstash_wire import TOKEN, Wire

DIMENSION, WRITERS, ROUNDS = 8, 60, 3


class Many:
    """What is expected of an index while it is written to from all sides."""

    def __init__(self, client: httpx.AsyncClient, path: str) -> None:
        self.chance = np.random.default_rng(7)
        self.kept: dict[str, list[float]] = {}
        self._client = client
        self._path = path

    def vector(self) -> list[float]:
        row = self.chance.standard_normal(DIMENSION).astype(np.float32)
        return [float(number) for number in row]

    async def ask(self, op: str, body: Any = None) -> Any:
        response = await self._client.post(f"{self._path}/{op}", json=body)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    async def write(self, who: int) -> None:
        for turn in range(ROUNDS):
            rows = {f"{who}-{(turn + n) % 7}": self.vector() for n in range(3)}
            body = [{"id": key, "vector": row} for key, row in rows.items()]
            assert await self.ask("upsert", body) == "Success"
            self.kept |= rows
            gone = next(iter(rows))
            assert await self.ask("delete", [gone]) == {"deleted": 1}
            del self.kept[gone]

    async def read(self) -> None:
        for _ in range(ROUNDS):
            asked = self.vector()
            found = await self.ask("query", {"vector": asked, "topK": 20, "includeVectors": True})
            scores = [each["score"] for each in found]
            assert scores == sorted(scores, reverse=True)
            assert len({each["id"] for each in found}) == len(found)
            exact = scored(asked, [each["vector"] for each in found])
            assert scores == pytest.approx(exact, rel=1e-6)


def scored(asked: list[float], rows: list[list[float]]) -> list[float]:
    if not rows:
        return []
    matrix, query = np.array(rows), np.array(asked)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
    scores: list[float] = ((1 + matrix @ query / lengths) / 2).tolist()
    return scores


@pytest.mark.server
async def test_a_hundred_at_once_agree_with_brute_force(dense: Wire) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        many = Many(client, f"{dense.url}/{dense.name}")
        readers = [many.read() for _ in range(100 - WRITERS)]
        await asyncio.gather(*map(many.write, range(WRITERS)), *readers)

        assert (await many.ask("info"))["vectorCount"] == len(many.kept)
        for _ in range(10):
            asked = many.vector()
            found = await many.ask("query", {"vector": asked, "topK": 1000})
            best = dict(zip(many.kept, scored(asked, list(many.kept.values())), strict=True))
            assert [each["id"] for each in found] == sorted(best, key=lambda key: -best[key])
