"""The handlers of single operations: alone at once, or with others."""

from __future__ import annotations

from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any

from lamina.context import current
from lamina.layers.batch.told import answer
from lamina.values import Done

if TYPE_CHECKING:
    from lamina.layers.batch.kinds import Kind
    from lamina.layers.batch.sender import Sender, Waiter
    from lamina.operation import Handler


def reader(sender: Sender, kind: Kind, inner: Handler[Any, Any]) -> Handler[Any, Any]:
    """Return the handler of reads; what each of many calls pays is spelled out."""
    groups, enter, leave, options = sender.groups, sender.enter, sender.leave, kind.options
    find, alone, end = groups.by_options.get, groups.alone, groups.end
    get_call, waits, nearly = current.get, groups.bounds.wait > 0, groups.bounds.items - 1

    async def read(op: Any) -> Any:
        common = options(op)
        group = find(common)
        if group is None:
            group = alone(common)
            try:
                return await inner(op)
            finally:
                end(group)
        waiter: Waiter = get_running_loop().create_future()
        parcel = group.pending
        if parcel is None or waits or get_call() is not None or len(parcel.items) >= nearly:
            parcel = enter(group, waiter, op, 0)
        else:
            parcel.items[waiter] = op  # all that `enter` has to do here
        told = None
        try:
            told = await waiter
        finally:
            if told is None:
                leave(parcel, waiter)
        return told.value if type(told) is Done else answer(told)

    return read


def writer(sender: Sender, kind: Kind, inner: Handler[Any, Any]) -> Handler[Any, Any]:
    """Return the handler of writes: those of one target are sent one after the other."""
    groups, turns = sender.groups, sender.turns

    async def write(op: Any) -> Any:
        target, common = kind.target(op), kind.options(op)
        if not turns.take(target):
            await turns.wait(target)
        group = groups.by_options.get(common)
        if group is None:
            group = groups.alone(common)
            try:
                return await inner(op)
            finally:
                groups.end(group)
                turns.give(target)
        waiter: Waiter = get_running_loop().create_future()
        try:
            parcel = sender.enter(group, waiter, op, kind.size(op))
        except Exception:
            turns.give(target)  # once it is in a parcel, that gives it back
            raise
        told = None
        try:
            told = await waiter
        finally:
            if told is None:
                sender.leave(parcel, waiter)
        return told.value if type(told) is Done else answer(told)

    return write
