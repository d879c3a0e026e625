"""One call and its legs: the primary and the hedges, each a task of its own."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, Self, final

from lamina.context import Call, current, ends, note_queued
from lamina.errors import Closed, DeadlineExceeded, StorageError, TimedOut
from lamina.layers.hedge.core import Legs
from lamina.layers.hedge.leg import Leg
from lamina.layers.hedge.verdict import Verdict, judge, passing, worst
from lamina.timers import resumed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.hedge.sender import Kind, Sender
    from lamina.operation import Handler, Operation

_TURNS: Final = 4  # of the loop, in which an answer passes through tasks between


@final
class Race:
    """One call; the first acceptable answer of its legs is its own."""

    def __init__(
        self, sender: Sender, kind: Kind, op: Operation[Any], inner: Handler[Any, Any]
    ) -> None:
        self.sender = sender
        self.kind = kind
        self.op = op
        self.inner = inner
        self.now = sender.runtime.now
        self.before = current.get()
        self.legs = Legs(sender.hedges)
        self.made: list[Leg] = []
        self.due = math.inf
        self.waiter: asyncio.Future[None] | None = None

    def sent(self) -> Self:
        """Send the primary."""
        self._send()
        return self

    def after(self, error: Exception | None, answer: Any) -> Self:
        """Take it that the primary has just failed with *error*, or answered a part only."""
        primary = self._leg()
        primary.error, primary.answer = error, answer
        self.legs.end({0: self._verdict(primary)})
        return self

    async def decided(self) -> Any:
        """Return the call's answer; send hedges as they fall due.

        Raises:
            Exception: What a leg raised for good, else what the primary raised.
        """
        legs = self.legs
        try:
            while legs.chosen is None:
                if legs.hurry or (legs.left and self.now() >= self.due):
                    self._send_next()
                if legs.chosen is None:
                    legs.end(await self._ended())
            return self._outcome(self.made[legs.chosen])
        finally:
            await self._let_go()
            for leg in self.made:
                leg.error = None  # it holds the frames, which would hold it

    async def _ended(self) -> Mapping[int, Verdict]:
        """Wait until legs end, or a hedge is due; tell how they ended."""
        until = self.due if self.legs.left else math.inf
        if 0 not in self.legs.out:  # alone it would have ended: no wait of ours past the deadline
            until = min(until, ends())
        out = [self.made[number] for number in self.legs.out]
        if all(leg.is_out() for leg in out):
            await self._woken(until)
        done = {leg.number: self._verdict(leg) for leg in out if not leg.is_out()}
        if not done and 0 not in self.legs.out and self.now() >= ends():
            self.legs.give_up()
        return done

    async def _woken(self, until: float) -> None:
        """Wait for a leg, or that time; with ``asyncio.wait`` the loop would turn once more."""
        loop = asyncio.get_running_loop()
        self.waiter = loop.create_future()
        timer = loop.call_at(until, self._wake_last, loop) if until < math.inf else None
        try:
            await self.waiter
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self, _: object = None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def _wake_last(self, loop: asyncio.AbstractEventLoop, turns: int = 0) -> None:
        """Wake after what came in this very moment, though the loop be late, has been heard."""
        if turns < _TURNS:
            loop.call_soon(self._wake_last, loop, turns + 1)
        else:
            self._wake()

    def _send_next(self) -> None:
        """Send a hedge, unless it is put off or denied."""
        legs, sender, last = self.legs, self.sender, self.made[-1]
        due = last.began + last.call.queued + self._delay()
        if not legs.hurry and self.now() < due:  # it had waited for a place meanwhile
            self.due = due
        elif sender.is_reluctant():
            self._put_off()
        elif sender.pay(self.op, legs.sent, self.kind):
            self._send()
        else:
            legs.deny()

    def _put_off(self) -> None:
        """Look again after another delay, if there is something to wait for."""
        if self.legs.hurry:
            self.legs.deny()
        self.due = self.now() + max(self._delay(), self.sender.floor)

    def _send(self) -> None:
        leg = self._leg()
        kind = f"hedge {leg.number}" if leg.number else "primary"
        name = f"{type(self.op).__name__} {kind}"
        leg.task = self.sender.runtime.spawn(
            self._play(leg), name, call=leg.call, inherits=True, needed=not leg.number
        )
        leg.task.add_done_callback(self._wake)  # one cancelled before it began never plays
        self.due = leg.began + self._delay()

    def _leg(self) -> Leg:
        call = Call()  # no child: what a loser tells is not the caller's
        if self.before is not None:
            call.deadline = self.before.deadline
            call.attempt = self.before.attempt
        leg = Leg(self.legs.send(), call, self.now())
        if leg.number:
            call.hedge = leg.number
        self.made.append(leg)
        return leg

    def _delay(self) -> float:
        delay = self.kind.delay()
        return math.inf if delay is None else delay

    async def _play(self, leg: Leg) -> None:
        try:
            if self.kind.suspends is None:
                leg.answer = await self._tried()
            else:
                leg.answer = await self.inner(self.op)
        except Exception as error:
            leg.error = error
        finally:
            self._wake()

    async def _tried(self) -> Any:
        """Send the operation, and see whether that suspends."""
        sent = self.inner(self.op)
        try:
            waits_for = sent.send(None)
        except StopIteration as answered:
            self.kind.suspends = False
            return answered.value
        self.kind.suspends = True
        return await resumed(sent, waits_for)

    def _verdict(self, leg: Leg) -> Verdict:
        if leg.task is not None and leg.is_broken():
            return Verdict.REFUSED if leg.number and leg.task.cancelled() else Verdict.FATAL
        if leg.error is None:
            failed = passing(self.op, leg.answer)
            leg.partial = bool(failed)
            if not failed:
                self.kind.learned.record(self._age(leg))
                return Verdict.ANSWERED
            return worst(failed)
        if isinstance(leg.error, TimedOut | DeadlineExceeded):
            self.kind.learned.record_at_least(self._age(leg))
        return judge(leg.error)

    def _outcome(self, leg: Leg) -> Any:
        """Return the answer of the leg chosen, or of another that has a part; else raise."""
        if leg.task is not None and leg.is_broken():
            if leg.task.cancelled() and self.sender.runtime.stopped:
                msg = "the store was closed before the answer came"
                raise Closed(msg)
            leg.task.result()  # raises
        if leg.error is not None and judge(leg.error) is not Verdict.FATAL:
            leg = next((other for other in self.made if other.partial), leg)
        note_queued(leg.call.queued)
        if leg.error is not None:
            raise self._noted(leg.error, leg)
        self.sender.load.calls += 1  # only answers earn hedges: an outage earns none
        if leg.number:
            self.sender.won()
        if self.before is not None:
            leg.call.tell(self.before)
        return leg.answer

    def _noted(self, error: Exception, leg: Leg) -> Exception:
        """Say on *error* how the other legs failed, and that they may have arrived."""
        for other in self.made:
            if other is leg:
                continue
            if isinstance(error, StorageError) and other.may_have_arrived():
                error.sent = "maybe"
            if other.error is not None:
                name = f"hedge {other.number}" if other.number else "the primary"
                error.add_note(f"{name} failed too: {type(other.error).__name__}: {other.error}")
        return error

    async def _let_go(self) -> None:
        """Cancel the legs still out and wait for their end, within the grace."""
        left = [leg for leg in self.made if leg.is_out()]
        if not left:
            return
        tasks = [leg.task for leg in left if leg.task is not None]
        for leg, task in zip(left, tasks, strict=True):
            self.kind.learned.record_at_least(self._age(leg))
            task.cancel()
        self.sender.counts.cancelled += len(left)
        try:
            await asyncio.wait(tasks, timeout=self.sender.grace)
        finally:
            stuck = [task for task in tasks if not task.done()]
            self.sender.counts.abandoned += len(stuck)
            self.sender.runtime.abandon(stuck)

    def _age(self, leg: Leg) -> float:
        return self.now() - leg.began - leg.call.queued
