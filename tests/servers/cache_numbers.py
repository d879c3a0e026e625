"""Stores of any domain as registers: one number for each key, 0 for what is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from lamina.domains.documents import Document, Documents
    from lamina.domains.keyvalue import KeyValue

KEYS: Final = tuple("abcdefgh")


class Numbers(Protocol):
    """What a trial does with a store."""

    async def put(self, key: str, number: int) -> None: ...
    async def get(self, key: str, *, fresh: bool = False) -> int: ...
    async def all(self) -> dict[str, int]: ...
    async def found(self) -> dict[str, int]: ...


class Values:
    """Key-value."""

    def __init__(self, store: KeyValue) -> None:
        self.store = store

    async def put(self, key: str, number: int) -> None:
        await self.store.set(key, b"%d" % number)

    async def get(self, key: str, *, fresh: bool = False) -> int:
        return int(await self.store.get(key, fresh=fresh) or 0)

    async def all(self) -> dict[str, int]:
        told = await self.store.get_many(KEYS)
        return {key: int(value or 0) for key, value in zip(KEYS, told, strict=True)}

    async def found(self) -> dict[str, int]:
        keys = await self.store.search("")
        return {key: 0 for key in KEYS if key not in keys}


class Papers:
    """Documents, found by a word and by their path too."""

    def __init__(self, store: Documents) -> None:
        self.store = store

    async def put(self, key: str, number: int) -> None:
        await self.store.set(key, f"paper {number}", path=f"/{key}")

    async def get(self, key: str, *, fresh: bool = False) -> int:
        return _number(await self.store.get(key, fresh=fresh))

    async def all(self) -> dict[str, int]:
        told = await self.store.get_many(KEYS)
        return {key: _number(one) for key, one in zip(KEYS, told, strict=True)}

    async def found(self) -> dict[str, int]:
        hits = await self.store.search("paper", limit=len(KEYS))
        shown = dict.fromkeys(KEYS, 0) | {hit.document.id: _number(hit.document) for hit in hits}
        return shown | {KEYS[0]: _number(await self.store.by_path(f"/{KEYS[0]}"))}


def _number(found: Document | None) -> int:
    return 0 if found is None else int(found.content.split()[1])
