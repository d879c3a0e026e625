"""Answers in a store that several processes share, and never one that a write has made wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from lamina.layers.cache.second.answers import Draft, Lives, Look
from lamina.layers.cache.second.debts import SURE, Debtor
from lamina.layers.cache.second.far import Far
from lamina.layers.cache.second.gens import stand
from lamina.layers.cache.second.keeping import Keeper
from lamina.layers.cache.second.kinds import kind_of, wanted
from lamina.layers.cache.second.ledger import Pause
from lamina.layers.cache.second.names import Names
from lamina.layers.cache.second.stats import Counts
from lamina.values import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from lamina.layer import Bytes
    from lamina.layers.cache.second.kinds import Kind, Wanted
    from lamina.layers.cache.second.stats import SecondStats
    from lamina.operation import Operation
    from lamina.runtime import Runtime

Answer: TypeAlias = "tuple[Any, float | None, float]"
"""An answer, when it expires by itself (Unix seconds), how long ago it was true (seconds)."""

Below: TypeAlias = "Callable[[Any], Coroutine[Any, Any, tuple[Any, float | None]]]"
Several: TypeAlias = (
    "Callable[[tuple[Any, ...]], Coroutine[Any, Any, Sequence[tuple[Any, float | None] | Failed]]]"
)

_SHORTEST: Final = 1.0  # seconds of a hold: it covers a write while that is under way


@final
class Second:
    """Keeps answers in *store* for *ttl* seconds, absent ones for *negative_ttl*, None for not.

    What is there was true under generations, one of each tag, of the tenant and of everything;
    it is an answer only while these are the generations still. A write takes away those of its
    tags *before* it is sent, and for *doubt* seconds none comes in their place: so long nothing is
    kept under them, by any process. *lag* is for how long searches below may miss a write.

    No call takes longer than *timeout* seconds because of it, times two for a write, nor more
    than half of what a deadline leaves. After a failure it is left alone for *pause* seconds, but
    for one call. What could not be told to it is owed: until it is told, this process goes without
    it. Processes and stores that share *store* have the same *doubt* and *lag*; those that are not
    the same store behind have another *namespace*.

    The store may lose all at once, or what it was told longest ago. Of a failed write or an
    invalidation that it could not be told, other processes may be given what was there before,
    for at most *ttl* seconds.
    """

    def __init__(
        self,
        store: Bytes,
        *,
        ttl: float,
        doubt: float,
        runtime: Runtime,
        domain: str,
        lag: float = 0.0,
        negative_ttl: float | None = 5.0,
        timeout: float = 0.1,
        pause: float = 1.0,
        namespace: str,
    ) -> None:
        self._lag = lag
        self._hold = max(doubt + lag, _SHORTEST)
        self._runtime = runtime
        self._names = Names(namespace, domain)
        self._counts = Counts()
        self._lives = Lives(ttl, negative_ttl, runtime, self._counts)
        self._pause = Pause(pause, timeout)
        self._far = Far(store, timeout, runtime, self._pause, self._counts)
        self._debtor = Debtor(self._far, self._pause, runtime, self._names.root, self._hold)
        self._ledger = self._debtor.ledger
        self._keeper = Keeper(
            self._far,
            self._counts,
            runtime,
            self._ledger.is_clear,
            ttl=ttl,
            window=SURE * self._hold,
        )
        self._kinds: dict[type[Operation[Any]], Kind | None] = {}

    async def ask(
        self, op: Any, below: Below, keep: Callable[[], bool], clip: float | None = None
    ) -> Answer:
        """Answer a read, by asking *below* if the answer is not here or *op* is ``fresh``.

        *keep* is asked after that whether the answer may be kept; *clip* is until when at most,
        in loop time. Storing it takes no time of the caller's.
        """
        found = self._wanted(op)
        look = None if found is None else await self._look((found,))
        if found is None or look is None:
            return (*await below(op), 0.0)
        if not op.fresh and (hit := self._lives.hit(found, look)) is not None:
            return hit
        asked = self._runtime.wall()
        answer, until = await below(op)
        if keep():
            self._keep(look, [self._lives.draft(found, answer, until, asked, clip)])
        return answer, until, 0.0

    async def ask_many(
        self,
        ops: Sequence[Any],
        below: Several,
        keep: Callable[[int], bool],
        clips: Sequence[float | None] | None = None,
    ) -> list[Answer | Failed]:
        """Answer several reads as ``ask`` does each, with one look here and one question below.

        *keep* is asked by the place in *ops*.
        """
        found = [self._wanted(op) for op in ops]
        known = [one for one in found if one is not None]
        look = await self._look(known) if known else None
        told: dict[int, Answer | Failed] = {}
        for place, one in enumerate(found):
            if look is not None and one is not None and not ops[place].fresh:
                hit = self._lives.hit(one, look)
                if hit is not None:
                    told[place] = hit
        missing = [place for place in range(len(ops)) if place not in told]
        if missing:
            asked = self._runtime.wall()
            answers = await below(tuple(ops[place] for place in missing))
            drafts: list[Draft | None] = []
            for place, outcome in zip(missing, answers, strict=True):
                one = found[place]
                told[place] = outcome if isinstance(outcome, Failed) else (*outcome, 0.0)
                if one is not None and not isinstance(outcome, Failed) and keep(place):
                    clip = None if clips is None else clips[place]
                    drafts.append(self._lives.draft(one, *outcome, asked, clip))
            if look is not None:
                self._keep(look, drafts)
        return [told[place] for place in range(len(ops))]

    async def before(self, tags: Iterable[str]) -> None:
        """Take the generations of *tags* away, before a write to them is sent; or owe it."""
        await self._debtor.hold(self._names.tags(tags))

    async def after(self, tags: Iterable[str], *, sure: bool) -> None:
        """Do what is left to do when a write has ended; *sure* says that it will not arrive later.

        Of a cancelled write tell ``owe`` instead, which does not wait.
        """
        await self._debtor.hold_on(self._names.tags(tags), self._lag, sure=sure)

    def owe(
        self, tags: Iterable[str] = (), *, scope: str | None = None, everything: bool = False
    ) -> None:
        """Forget what depends on *tags*, on a tenant, or everything, as soon as the store can."""
        scopes = () if scope is None else (self._names.scope(scope),)
        self._ledger.owe(self._names.tags(tags), scopes, everything=everything)
        self._debtor.pay_soon()

    def keeps(self, op: type[Operation[Any]]) -> bool:
        """Tell whether answers of this type can be kept here."""
        return self._kind(op) is not None

    def stats(self) -> SecondStats:
        """Return what it has done so far, and whether it is in use."""
        paused = self._pause.is_on(self._runtime.now())
        owed = self._ledger.owed
        return self._counts.told(owed=owed, available=not (owed or paused))

    async def close(self) -> None:
        """Pay what is owed, if that can be now; the store is its owner's to close."""
        try:
            await self._debtor.pay()
        finally:
            self._far.close()

    def _kind(self, op: type[Operation[Any]]) -> Kind | None:
        if op not in self._kinds:
            self._kinds[op] = kind_of(op)
        return self._kinds[op]

    def _wanted(self, op: Operation[Any]) -> Wanted | None:
        kind = self._kind(type(op))
        made = None if kind is None else wanted(op, kind, self._names)
        if made is None:
            self._counts.skipped += 1
        return made

    async def _look(self, several: Sequence[Wanted]) -> Look | None:
        """Return what is there of *several* and of their generations; None if not to be used."""
        now, ledger, root = self._runtime.now(), self._ledger, self._names.root
        if not ledger.is_clear() or not self._pause.try_now(now):
            self._counts.skipped += len(several)
            self._debtor.pay_soon()
            return None
        keys = dict.fromkeys(key for one in several for key in (one.key, *one.gens))
        told = await self._far.get((root, *keys))
        if told is None or not ledger.is_clear():
            return None
        look, wall = Look(now, told, root), self._runtime.wall()
        for one in several:
            look.standings[one.key] = stand(root, one.gens, told, wall, self._hold)
            ledger.owe(look.standings[one.key].broken)
        if self._keeper.is_lost(told[root]):
            ledger.owe(ledger.held(now))  # the holds are lost too
        self._debtor.pay_soon()
        return look if ledger.is_clear() else None

    def _keep(self, look: Look, drafts: Sequence[Draft | None]) -> None:
        """Store behind the answer what may be kept."""
        made = [draft for draft in drafts if draft is not None and look.takes(draft.wanted)]
        if not made:
            return
        if not self._ledger.is_clear() or not self._runtime.has_room():
            self._counts.skipped += len(made)
            return
        self._runtime.spawn(self._keeper.keep(look, made), "cache second")
