"""Batches: only the items that failed are asked of the other store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.errors import StorageError
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from lamina.layers.fallback.other import Other
    from lamina.operation import BatchOperation, Handler
    from lamina.values import Outcome


def batched(first: Handler[Any, Any], other: Other) -> Handler[Any, Any]:
    """Return the handler of a batch type; one that failed as a whole is asked as a whole."""

    async def batch(op: BatchOperation[Any]) -> tuple[Outcome[Any], ...]:
        try:
            outcomes: tuple[Outcome[Any], ...] = await first(op)
        except StorageError as error:
            if not other.may_answer(op, error):
                raise
            failed = error
        else:
            for outcome in outcomes:
                if isinstance(outcome, Failed):
                    return await _completed(other, op, outcomes)
            return outcomes
        singles = op.singles()
        answers = await _filled(other, op, op, [Failed(failed)] * len(singles))
        if singles and not any(isinstance(answer, Done) for answer in answers):
            raise failed
        return answers

    return batch


async def _completed(
    other: Other, op: BatchOperation[Any], outcomes: tuple[Outcome[Any], ...]
) -> tuple[Outcome[Any], ...]:
    singles = op.singles()
    places = [
        place
        for place, (single, outcome) in enumerate(zip(singles, outcomes, strict=True))
        if isinstance(outcome, Failed) and other.may_answer(single, outcome.error)
    ]
    if not places:
        return outcomes
    part = type(op).gather(tuple(singles[place] for place in places))
    filled = await _filled(other, part, op, [cast("Failed", outcomes[p]) for p in places])
    answers = list(outcomes)
    for place, answer in zip(places, filled, strict=True):
        answers[place] = answer
    return tuple(answers)


async def _filled(
    other: Other, part: BatchOperation[Any], op: BatchOperation[Any], failed: list[Failed]
) -> tuple[Outcome[Any], ...]:
    """Return the other store's answers to *part* of *op*; where it has none, what had *failed*."""
    if not failed:
        return ()
    errors = [one.error for one in failed]
    told = await other.ask(part, errors, of=op)
    if told is None:
        return tuple(failed)
    answers: list[Outcome[Any]] = []
    lost: dict[int, tuple[StorageError, StorageError]] = {}
    for before, answer in zip(failed, told.value, strict=True):
        if isinstance(answer, Done):
            answers.append(answer)
            continue
        answers.append(before)
        known = lost.get(id(before.error))
        if known is None or known[1].sent == "no":  # of several the most doubtful is told
            lost[id(before.error)] = before.error, answer.error
    for error, too in lost.values():
        other.note(part, [error], too)
    return tuple(answers)
