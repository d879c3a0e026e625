"""Whatever is stored comes back, under its key and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.domains.keyvalue import (
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    KeyValue,
    Scan,
    Set,
    SetMany,
)
from lamina.errors import Invalid
from lamina.testing.contracts import drawn
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.sequences import check_sequences
from lamina.values import Done, Stamped

if TYPE_CHECKING:
    from collections.abc import Sequence


class DrawnKeyValue(BackendContract[KeyValue]):
    """Keys and values as Hypothesis draws them, and batches with one that is none."""

    def test_keeps_any_value_under_any_name(self) -> None:
        check_sequences(
            self._keep, _pairs, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        kept = dict(pairs)
        async with self.opened(Set, Get) as store:
            for key, value in pairs:
                await store.set(key, value)
            for key, value in kept.items():
                assert await store.get(key) == value, ascii(key)
            if GetMany in store.bound.capabilities:
                assert await store.get_many(list(kept)) == tuple(kept.values())
            if GetStampedMany in store.bound.capabilities:
                told = await store.bound.send(GetStampedMany(tuple(kept)))
                assert told == tuple(Done(Stamped(value)) for value in kept.values())
            if Scan in store.bound.capabilities:
                self.listed(store, Scan, [key async for key in store.scan(limit=3)], kept)
            if GetStamped in store.bound.capabilities:
                for key, value in pairs[-1:]:
                    assert await store.bound.send(GetStamped(key)) == Stamped(value)

    def test_keeps_any_value_written_by_batches(self) -> None:
        check_sequences(
            self._keep_batch, _pairs, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep_batch(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        kept = dict(pairs)
        async with self.opened(SetMany, GetMany) as store:
            await store.set_many(kept, ttl=1000)
            keys = [*kept, *reversed(kept)]
            assert await store.get_many(keys) == tuple(kept[key] for key in keys)
            if GetStampedMany in store.bound.capabilities:
                told = await store.bound.send(GetStampedMany(tuple(keys)))
                stamps = [one.value for one in told if isinstance(one, Done)]
                assert [one.value for one in stamps] == [kept[key] for key in keys]
                assert None not in [one.expires_at for one in stamps]

    @pytest.mark.parametrize("bad", ["", "a\0", "\ud800", "x" * 1025])
    async def test_sends_nothing_of_a_batch_with_a_bad_key(self, bad: str) -> None:
        async with self.opened(SetMany, GetMany) as store:
            with pytest.raises(Invalid):
                await store.set_many({"a": b"1", bad: b"2", "b": b"3"})
            with pytest.raises(Invalid):
                await store.get_many(["a", bad])
            assert await store.get_many(["a", "b"]) == (None, None)


def _pairs(strategies: Any) -> Any:
    return strategies.tuples(drawn.names(strategies), drawn.blobs(strategies))
