"""Reads of values through a codec: one or many, with or without when they expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.domains.coded import C, Coded, Place, codes, paired
from lamina.domains.keyvalue.operations import Get, GetMany, GetStamped, GetStampedMany
from lamina.errors import Corrupt
from lamina.values import Done, Failed, Outcome, Stamped

if TYPE_CHECKING:
    from lamina.operation import Handler


class CodedReads(Coded[C]):
    """What is absent stays so; an item of a batch that cannot be decoded fails alone."""

    @codes(Get)
    def get(self, inner: Handler[Any, Any]) -> Handler[Get, bytes | None]:
        codec, worker = self._codec, self._worker

        async def answer(op: Get) -> bytes | None:
            found: bytes | None = await inner(op)
            if found is None:
                return None
            weight, at = codec.weight(found), place_of(op.scope, op.key)
            return (await worker.run(weight, codec.decode, found, at))[0]

        return answer

    @codes(GetStamped)
    def get_stamped(self, inner: Handler[Any, Any]) -> Handler[GetStamped, Stamped[bytes | None]]:
        codec, worker = self._codec, self._worker

        async def answer(op: GetStamped) -> Stamped[bytes | None]:
            told: Stamped[bytes | None] = await inner(op)
            if told.value is None:
                return told
            weight, at = codec.weight(told.value), place_of(op.scope, op.key)
            data, _ = await worker.run(weight, codec.decode, told.value, at)
            return told if data is told.value else Stamped(data, told.expires_at)

        return answer

    @codes(GetMany)
    def get_many(self, inner: Handler[Any, Any]) -> Handler[GetMany, tuple[Any, ...]]:
        return self._many(inner)

    @codes(GetStampedMany)
    def get_stamped_many(
        self, inner: Handler[Any, Any]
    ) -> Handler[GetStampedMany, tuple[Any, ...]]:
        return self._many(inner)

    def _many(self, inner: Handler[Any, Any]) -> Handler[Any, tuple[Outcome[Any], ...]]:
        async def answer(op: GetMany | GetStampedMany) -> tuple[Outcome[Any], ...]:
            told: tuple[Outcome[Any], ...] = await inner(op)
            weight = sum(map(self._weight, told))
            return await self._worker.run(weight, self._decode_each, op, told)

        return answer

    def _weight(self, told: Outcome[Any]) -> int:
        stored = _stored(told)
        return 0 if stored is None else self._codec.weight(stored)

    def _decode_each(
        self, op: GetMany | GetStampedMany, told: tuple[Outcome[Any], ...]
    ) -> tuple[Outcome[Any], ...]:
        pairs = paired(op.keys, told, self._codec.layer)
        return tuple(self._decoded(place_of(op.scope, key), one) for key, one in pairs)

    def _decoded(self, at: Place, told: Outcome[Any]) -> Outcome[Any]:
        stored = _stored(told)
        if stored is None or isinstance(told, Failed):
            return told
        try:
            data, _ = self._codec.decode(stored, at)
        except Corrupt as error:
            return Failed(error)
        stamp = _stamp(told)
        return Done(data) if stamp is None else Done(Stamped(data, stamp.expires_at))


def place_of(scope: str, key: str) -> Place:
    """Return where the value under *key* is stored."""
    return ("keyvalue", scope, key)


def _stored(told: Outcome[Any]) -> bytes | None:
    if isinstance(told, Failed):
        return None
    stamp = _stamp(told)
    return cast("bytes | None", told.value) if stamp is None else stamp.value


def _stamp(told: Done[Any]) -> Stamped[bytes | None] | None:
    value: object = told.value
    return cast("Stamped[bytes | None]", value) if isinstance(value, Stamped) else None
