"""All states that one write, two fills and a lossy store can reach, searched for an old answer."""

from __future__ import annotations

import struct
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, final

import pytest
from mutants import mutant

from lamina.layers.cache.second import gens
from lamina.layers.cache.second.ledger import MOST, Ledger, Pause

HOLD: Final = 2.0
ROOT, GEN = "root", "gen"
LAST: Final = 5.0


def token(number: int) -> bytes:
    return b"=" + bytes((number,)) * 16


@final
@dataclass(frozen=True)
class Fill:
    """A fill at its next step; *root*, *gen* and *began* are of its look, *value* was asked."""

    step: str = "look"
    root: bytes | None = None
    gen: bytes | None = None
    began: float = 0.0
    value: int = 0


@final
@dataclass(frozen=True)
class World:
    now: float = 0.0
    root: bytes | None = b"/" + bytes(16) + struct.pack(">d", -100.0)
    gen: bytes | None = token(0)
    held: float = 0.0  # until when, if the generation is a hold
    entry: tuple[bytes, int] | None = None
    fills: tuple[Fill, ...] = (Fill(), Fill())
    write: str = "ready"  # sent, over, doubtful, landed
    due: float = 0.0  # until when a doubtful write arrives
    value: int = 0
    lost: bool = False
    made: int = 1

    def told(self) -> dict[str, bytes | None]:
        return {ROOT: self.root, GEN: self.gen}


def steps(world: World, core: Any, *, again: bool = True) -> Iterator[World]:
    """Give all that can happen next; *again* is whether a doubtful write holds once more."""
    if world.now < LAST and not (world.write == "doubtful" and world.now >= world.due):
        later = world.now + 1
        over = world.gen == core.HELD and later >= world.held
        yield replace(world, now=later, gen=None if over else world.gen)
    if not world.lost:
        yield replace(world, root=None, gen=None, entry=None, lost=True)
    yield from _write(world, core, again=again)
    for place, fill in enumerate(world.fills):
        for changed, next_ in _fill(world, fill, core):
            yield replace(
                changed, fills=_ordered(next_, *world.fills[:place], *world.fills[place + 1 :])
            )


def _parts(fill: Fill) -> tuple[object, ...]:
    return fill.step, fill.began, fill.value, fill.root or b"", fill.gen or b""


def _ordered(*fills: Fill) -> tuple[Fill, ...]:
    """Return the fills in an order of their own: which of them is which does not matter."""
    return tuple(sorted(fills, key=_parts))


def _write(world: World, core: Any, *, again: bool) -> Iterator[World]:
    if world.write == "ready":
        yield replace(world, write="sent", gen=core.HELD, held=world.now + HOLD)
    elif world.write == "sent":
        ended = replace(world, gen=core.HELD, held=world.now + HOLD)
        if world.held > world.now:  # it was quick
            yield replace(world, write="over", value=1)
        yield replace(ended, write="over", value=1)
        left = ended if again else world
        yield replace(left, write="doubtful", due=world.now + HOLD - 1)
    elif world.write == "doubtful":
        yield replace(world, write="over", value=1)


def _fill(world: World, fill: Fill, core: Any) -> Iterator[tuple[World, Fill]]:
    looked = {ROOT: fill.root, GEN: fill.gen}
    if fill.step == "look":
        yield world, Fill("ask", world.root, world.gen, world.now)
    elif fill.step == "ask":
        yield world, replace(fill, step="make", value=world.value)
    elif fill.step == "make":
        standing = core.stand(ROOT, (GEN,), looked, fill.began, HOLD)
        if standing.replaces and world.root == standing.root:
            born = struct.pack(">d", world.now)
            root = b"/" + bytes((world.made,)) * 16 + born
            yield replace(world, root=root, made=world.made + 1), Fill("done")
        elif standing.settled and standing.free and not standing.absent:
            yield world, replace(fill, step="put")
        elif standing.settled and standing.free and world.gen is None:
            made = token(world.made)
            known = replace(fill, step="put", gen=made)
            if world.now < fill.began + 0.9 * HOLD:
                yield replace(world, gen=made, made=world.made + 1), known
    elif fill.step == "put":
        entry = core.digest(fill.root, (GEN,), looked), fill.value
        yield replace(world, entry=entry), Fill("done")


def is_old(world: World, core: Any) -> bool:
    """Tell whether a reader who comes now is given what was before the write."""
    if world.entry is None or world.write != "over":
        return False
    standing = core.stand(ROOT, (GEN,), world.told(), world.now, HOLD)
    under = core.digest(world.root, (GEN,), world.told())
    return bool(standing.holds) and world.entry[0] == under and world.entry[1] == 0


def search(core: Any, **told: bool) -> tuple[int, World | None]:
    """Return how many states there are, and one with an old answer."""
    seen, waiting = {World()}, [World()]
    while waiting:
        world = waiting.pop()
        if is_old(world, core):
            return len(seen), world
        new = [one for one in steps(world, core, **told) if one not in seen]
        seen.update(new)
        waiting += new
    return len(seen), None


@pytest.mark.slow
def test_ca3_ca10_ca12_in_no_state_is_an_old_answer_given() -> None:
    states, old = search(gens)
    assert old is None
    assert states > 100_000


MUTANTS = {
    "holds do not count": ("not (held or broken)", "not broken"),
    "a new root is used at once": ("born + hold + SKEW <= wall", "born <= wall"),
    "generations are not compared": ('*(told.get(key) or b"" for key in gens)', ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_core_is_found(name: str) -> None:
    broken: types.ModuleType = mutant(gens, *MUTANTS[name])
    assert search(broken)[1] is not None


def test_without_a_second_hold_a_doubtful_write_is_found() -> None:
    assert search(gens, again=False)[1] is not None


def test_debts_are_owed_until_they_are_paid() -> None:
    ledger = Ledger()
    ledger.owe(["a", "b"], ["s"])
    assert (ledger.owed, ledger.is_clear(), ledger.is_due()) == (3, False, True)
    debt = ledger.take()
    assert (ledger.owed, ledger.is_clear(), ledger.is_due()) == (3, False, False)
    ledger.settle(debt, paid=False, until=9.0)
    assert (ledger.owed, ledger.is_due(), ledger.holds(["a"], 1.0)) == (3, True, False)
    ledger.settle(ledger.take(), paid=True, until=9.0)
    assert (ledger.owed, ledger.is_clear(), ledger.holds(["a", "b"], 8.0)) == (0, True, True)
    assert not ledger.holds(["a"], 9.0)
    assert (ledger.held(8.0), ledger.held(9.0)) == (("a", "b"), ())


def test_debts_and_holds_take_bounded_memory() -> None:
    ledger = Ledger()
    ledger.owe(map(str, range(MOST + 1)))
    assert (ledger.owed, ledger.take().everything) == (1, True)
    for place in range(1000):
        ledger.hold([f"{place}"], place + 2.0, float(place))
    assert len(ledger.held(0.0)) <= 3


def test_after_a_failure_one_asks_and_the_others_wait() -> None:
    pause = Pause(1.0, 0.1)
    assert (pause.try_now(0.0), pause.try_now(0.0)) == (True, True)
    pause.failed(0.0)
    assert (pause.is_on(0.9), pause.try_now(0.9)) == (True, False)
    assert (pause.try_now(1.0), pause.try_now(1.0)) == (True, False)
    assert pause.try_now(1.1)  # the first never told how it ended
    pause.answered()
    assert (pause.is_on(1.2), pause.try_now(1.2), pause.try_now(1.2)) == (False, True, True)
