"""Documents in a dict."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias, final

from lamina.backend import serves
from lamina.domains.documents import (
    Document,
    DocumentsBackend,
    Find,
    Found,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Update,
    Write,
    WriteAt,
    WriteMany,
)
from lamina.domains.documents.metadata import metadata_of
from lamina.domains.documents.pages import Place, Sorting
from lamina.domains.store import Check
from lamina.domains.words import counted, words
from lamina.errors import Conflict, StorageError
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Iterable

Key: TypeAlias = tuple[str, str]
_STEEP: Final = 1.2  # BM25's k1 and b, as SQLite's FTS5 has them
_LENGTH: Final = 0.75


@final
class MemoryDocuments(DocumentsBackend):
    """Documents in this process; each search looks at all of them."""

    name = "memory"

    def __init__(self) -> None:
        self._documents: dict[Key, Document] = {}
        self._paths: dict[Key, str] = {}
        self._words: dict[Key, Counter[bytes]] = {}  # made by the first search that needs them

    @serves(Read)
    async def read(self, op: Read) -> Document | None:
        return self._documents.get((op.scope, op.id))

    @serves(ReadAt)
    async def read_at(self, op: ReadAt) -> Document | None:
        found = self._paths.get((op.scope, op.path))
        return None if found is None else self._documents[op.scope, found]

    @serves(ReadMany)
    async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
        return tuple(Done(self._documents.get((op.scope, id_))) for id_ in op.ids)

    @serves(Write)
    async def write(self, op: Write) -> None:
        self._write(op, op.scope)

    @serves(WriteAt)
    async def write_at(self, op: WriteAt) -> str:
        owner = self._paths.get((op.scope, op.path))
        if owner is None and (op.scope, op.id) in self._documents:
            msg = "the document with this id has another path"
            raise Conflict(msg)
        write = Write(owner or op.id, op.content, op.metadata, op.path)
        self._write(write, op.scope)
        return write.id

    @serves(WriteMany)
    async def write_many(self, op: WriteMany) -> tuple[Outcome[None], ...]:
        return tuple(self._outcome(item, op.scope) for item in op.items)

    @serves(Update)
    async def update(self, op: Update) -> int | None:
        found = self._documents.get((op.scope, op.id))
        metadata = None if op.metadata is None else metadata_of(op.metadata)
        if found is None:
            return None
        if op.expected_version not in (None, found.version):
            msg = f"the document has version {found.version}, not {op.expected_version}"
            raise Conflict(msg)
        changed = replace(
            found,
            content=found.content if op.content is None else op.content,
            metadata=found.metadata if metadata is None else metadata,
            version=found.version + 1,
            updated_at=self.runtime.wall(),
        )
        self._put((op.scope, op.id), changed)
        return changed.version

    @serves(Remove)
    async def remove(self, op: Remove) -> bool:
        found = self._documents.pop((op.scope, op.id), None)
        self._words.pop((op.scope, op.id), None)
        if found is not None and found.path is not None:
            del self._paths[op.scope, found.path]
        return found is not None

    @serves(Find, "text", "filter", "order")
    async def find(self, op: Find) -> Page[Found]:
        sorting = Sorting.of(op)
        after = None if op.cursor is None else sorting.place(op.cursor)
        ranks = self._ranks(op.scope, map(counted, words(op.text))) if op.text else None
        found: list[tuple[Place, Found]] = []
        for (scope, id_), document in self._documents.items():
            if scope != op.scope or (ranks is not None and id_ not in ranks):
                continue
            if op.filter is not None and not op.filter.matches(document.metadata):
                continue
            rank = 0.0 if ranks is None else ranks[id_]
            place = (_sorted_by(sorting, document, rank), id_)
            if after is None or (place < after if sorting.descending else place > after):
                found.append((place, Found(document, -rank if rank else 0.0)))
        found.sort(key=lambda one: one[0], reverse=sorting.descending)
        page = found[: op.limit]
        following = sorting.cursor(page[-1][0]) if len(found) > len(page) else None
        return Page(tuple(one for _, one in page), following)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op

    def _outcome(self, op: Write, scope: str) -> Outcome[None]:
        try:
            self._write(op, scope)
        except StorageError as error:
            return Failed(error)
        return Done(None)

    def _write(self, op: Write, scope: str) -> None:
        metadata = metadata_of(op.metadata)
        before = self._documents.get((scope, op.id))
        if op.path is not None and self._paths.get((scope, op.path), op.id) != op.id:
            msg = "another document has this path"
            raise Conflict(msg)
        if before is not None and before.path is not None:
            del self._paths[scope, before.path]
        if op.path is not None:
            self._paths[scope, op.path] = op.id
        now = self.runtime.wall()
        created = now if before is None else before.created_at
        version = 1 if before is None else before.version + 1
        document = Document(op.id, op.content, metadata, version, op.path, created, now)
        self._put((scope, op.id), document)

    def _put(self, key: Key, document: Document) -> None:
        self._documents[key] = document
        self._words.pop(key, None)

    def _ranks(self, scope: str, wanted: Iterable[bytes]) -> dict[str, float]:
        """Return the rank of each document that holds all words, below 0: the lower the better."""
        wanted = dict.fromkeys(wanted)
        held = {key[1]: self._words_of(key) for key in self._documents if key[0] == scope}
        lengths = {id_: counts.total() for id_, counts in held.items()}
        mean = sum(lengths.values()) / max(len(held), 1) or 1.0
        rarity: dict[bytes, float] = {}
        for word in wanted:
            holders = sum(word in counts for counts in held.values())
            rarity[word] = max(math.log((len(held) - holders + 0.5) / (holders + 0.5)), 1e-6)
        return {
            id_: -sum(
                rarity[word]
                * counts[word]
                * (_STEEP + 1)
                / (counts[word] + _damp(lengths[id_] / mean))
                for word in wanted
            )
            for id_, counts in held.items()
            if wanted and all(word in counts for word in wanted)
        }

    def _words_of(self, key: Key) -> Counter[bytes]:
        found = self._words.get(key)
        if found is None:
            found = self._words[key] = Counter(map(counted, words(self._documents[key].content)))
        return found


def _damp(length: float) -> float:
    return _STEEP * (1 - _LENGTH + _LENGTH * length)


def _sorted_by(sorting: Sorting, document: Document, rank: float) -> float | str:
    if sorting.by == "rank":
        return rank
    value: float | str | None = getattr(document, sorting.by)
    return "" if value is None else value
