"""Documents through a codec: the backend sees other texts, and finds no words in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, final

from lamina.domains.coded import C, Coded, Place, codes, paired, within
from lamina.domains.documents.operations import (
    Document,
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
from lamina.domains.store import Check
from lamina.errors import Corrupt, Unsupported
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    from lamina.operation import Handler


@final
class CodedDocuments(Coded[C]):
    """Ids, paths, metadata, versions and times stay as they are; content passes the codec.

    Content belongs to the id that it was written to, or to the path if it was written at one.
    Searches by filter and order are served, those for words are not.
    """

    clear = frozenset({Check, Remove})

    @codes(Read)
    def read(self, inner: Handler[Any, Any]) -> Handler[Read, Document | None]:
        return self._reading(inner)

    @codes(ReadAt)
    def read_at(self, inner: Handler[Any, Any]) -> Handler[ReadAt, Document | None]:
        return self._reading(inner)

    @codes(ReadMany)
    def read_many(self, inner: Handler[Any, Any]) -> Handler[ReadMany, tuple[Any, ...]]:
        async def answer(op: ReadMany) -> tuple[Outcome[Document | None], ...]:
            told: tuple[Outcome[Document | None], ...] = await inner(op)
            weight = sum(self._weight(one.value) for one in told if isinstance(one, Done))
            return await self._worker.run(weight, self._decode_each, op, told)

        return answer

    @codes(Write)
    def write(self, inner: Handler[Any, Any]) -> Handler[Write, None]:
        async def answer(op: Write) -> None:
            weight = len(op.content)
            await inner(await self._worker.run(weight, self._encoded, op, op.scope))

        return answer

    @codes(WriteAt)
    def write_at(self, inner: Handler[Any, Any]) -> Handler[WriteAt, str]:
        codec = self._codec

        async def answer(op: WriteAt) -> str:
            at = _at_path(op.scope, op.path)
            text = await self._worker.run(len(op.content), codec.encode_text, op.content, at)
            write = WriteAt(op.path, op.id, text, op.metadata, scope=op.scope)
            return cast("str", await inner(write))

        return answer

    @codes(WriteMany)
    def write_many(self, inner: Handler[Any, Any]) -> Handler[WriteMany, tuple[Any, ...]]:
        async def answer(op: WriteMany) -> tuple[Outcome[None], ...]:
            weight = sum(len(item.content) for item in op.items)
            items = await self._worker.run(weight, self._encode_each, op)
            return cast("tuple[Outcome[None], ...]", await inner(WriteMany(items, scope=op.scope)))

        return answer

    @codes(Update)
    def update(self, inner: Handler[Any, Any]) -> Handler[Update, int | None]:
        codec = self._codec

        async def answer(op: Update) -> int | None:
            text = op.content
            if text is not None:
                at = _at_id(op.scope, op.id)
                text = await self._worker.run(len(text), codec.encode_text, text, at)
            update = Update(op.id, text, op.metadata, op.expected_version, scope=op.scope)
            return cast("int | None", await inner(update))

        return answer

    @codes(Find, loses=("text",))
    def find(self, inner: Handler[Any, Any]) -> Handler[Find, Page[Found]]:
        async def answer(op: Find) -> Page[Found]:
            if op.text is not None:
                msg = "no words are found in content that is stored in another form"
                raise Unsupported(msg, layer=self._codec.layer)
            page: Page[Found] = await inner(op)
            weight = sum(self._weight(found.document) for found in page.items)
            items = await self._worker.run(weight, self._decode_found, op.scope, page.items)
            return Page(items, page.next)

        return answer

    def _reading(self, inner: Handler[Any, Any]) -> Handler[Any, Document | None]:
        async def answer(op: Read | ReadAt) -> Document | None:
            found = await inner(op)
            if found is None:
                return None
            asked = op.id if isinstance(op, Read) else found.id
            path = op.path if isinstance(op, ReadAt) else found.path
            weight = self._weight(found)
            return await self._worker.run(weight, self._decoded, op.scope, asked, path, found)

        return answer

    def _weight(self, found: Document | None) -> int:
        return 0 if found is None else self._codec.weight(found.content)

    def _decoded(self, scope: str, id_: str, path: str | None, found: Document) -> Document:
        """Decode what was *found* for *id_* or *path*, whatever it says itself."""
        places = [_at_id(scope, id_)]
        if path is not None:
            places.append(_at_path(scope, path))
        text = self._codec.decode_text(found.content, *places)
        return found if text is found.content else replace(found, content=text)

    def _decode_each(
        self, op: ReadMany, told: tuple[Outcome[Document | None], ...]
    ) -> tuple[Outcome[Document | None], ...]:
        pairs = paired(op.ids, told, self._codec.layer)
        return tuple(self._outcome(op.scope, id_, one) for id_, one in pairs)

    def _outcome(
        self, scope: str, id_: str, told: Outcome[Document | None]
    ) -> Outcome[Document | None]:
        if isinstance(told, Failed) or told.value is None:
            return told
        try:
            return Done(self._decoded(scope, id_, told.value.path, told.value))
        except Corrupt as error:
            return Failed(error)

    def _decode_found(self, scope: str, items: tuple[Found, ...]) -> tuple[Found, ...]:
        return tuple(Found(self._listed(scope, one.document), one.score) for one in items)

    def _listed(self, scope: str, found: Document) -> Document:
        with within(found.id):
            return self._decoded(scope, found.id, found.path, found)

    def _encoded(self, op: Write, scope: str) -> Write:
        text = self._codec.encode_text(op.content, _at_id(scope, op.id))
        return Write(op.id, text, op.metadata, op.path, scope=scope)

    def _encode_each(self, op: WriteMany) -> tuple[Write, ...]:
        return tuple(self._encoded(item, op.scope) for item in op.items)


def _at_id(scope: str, id_: str) -> Place:
    return ("documents", scope, "id", id_)


def _at_path(scope: str, path: str) -> Place:
    return ("documents", scope, "path", path)
