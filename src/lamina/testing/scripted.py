"""Backends that answer by script, and fail when asked for anything else."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, final

from lamina.backend import Backend
from lamina.capabilities import Capabilities, Serves
from lamina.domains import documents, keyvalue, media, vectors
from lamina.domains.store import Check
from lamina.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType, TracebackType

    from lamina.operation import Handler

R = TypeVar("R")
F_co = TypeVar("F_co", covariant=True)


class UnexpectedOperation(AssertionError):
    """An operation was sent that the script does not expect, or expects never."""


@final
class Expectation(Generic[R]):
    """What is to happen when an operation is sent; once, unless told otherwise."""

    def __init__(self, op: Operation[R] | type[Operation[R]]) -> None:
        self.op = op
        self._delay = 0.0
        self._left = 1
        self._always = False
        self._hangs = False
        self._error: BaseException | None = None
        self.raised: list[BaseException] = []
        self._answer: Any = None

    def after(self, seconds: float) -> Self:
        """Let *seconds* of the loop's time pass before the answer."""
        self._delay = seconds
        return self

    def returns(self, answer: R) -> Self:
        """Answer with *answer*, the same object each time."""
        self._answer = answer
        return self

    def raises(self, error: BaseException) -> Self:
        """Raise *error* itself the first time, copies of it later."""
        self._error = error
        return self

    def hangs(self) -> Self:
        """Never answer; only a cancellation ends it."""
        self._hangs = True
        return self

    def never_sent(self) -> Self:
        """Fail if it is sent."""
        self._left = 0
        return self

    def times(self, count: int) -> Self:
        """Answer *count* times, all of which must be asked for."""
        self._left = count
        return self

    def always(self) -> Self:
        """Answer as often as asked, also not at all."""
        self._always = True
        self._left = 0
        return self

    def left(self) -> int:
        """Return how often it must still be sent."""
        return self._left

    def meets(self, op: Operation[Any]) -> bool:
        """Tell whether *op* is what is expected here."""
        return type(op) is self.op if isinstance(self.op, type) else op == self.op

    def answers(self) -> bool:
        """Tell whether another sending is allowed."""
        return self._always or self._left > 0

    def take(self) -> None:
        """Count one sending."""
        self._left = max(0, self._left - 1)

    async def play(self) -> R:
        """Do what was scripted."""
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._hangs:
            await asyncio.get_running_loop().create_future()
        if self._error is not None:
            error = copy.copy(self._error) if self.raised else self._error
            self.raised.append(error)
            raise error
        return cast("R", self._answer)

    def __repr__(self) -> str:
        shown = self.op.__name__ if isinstance(self.op, type) else repr(self.op)
        if self._always:
            return f"{shown} any number of times"
        return shown if self._left == 1 else f"{shown} {self._left or 'never'}".strip()


class Script(Backend[F_co], Generic[F_co]):
    """Answers what ``expect`` was told, by default in whatever order it comes.

    *without* takes operation types away from what it serves; *ordered* makes the order of the
    expectations binding. As a context manager it verifies at the end.

    Attributes:
        calls: The operations sent, in order.
    """

    name = "scripted"
    domain: ModuleType

    def __init__(
        self, *, without: Iterable[type[Operation[Any]]] = (), ordered: bool = False
    ) -> None:
        self.calls: list[Operation[Any]] = []
        self.opened = 0
        self.closed = 0
        self._without = frozenset(without)
        self._ordered = ordered
        self._script: list[Expectation[Any]] = []
        self._failures: list[UnexpectedOperation] = []
        self._answering = self._answer

    def expect(self, op: Operation[R] | type[Operation[R]]) -> Expectation[R]:
        """Expect *op*, or any operation of that type; the result says what happens then."""
        made = Expectation(op)
        self._script.append(made)
        return made

    def verify(self) -> None:
        """Check that everything expected was sent and nothing else.

        Raises:
            AssertionError: Something is left of the script.
            UnexpectedOperation: Something else was sent, even if a layer swallowed that error.
        """
        if self._failures:
            raise self._failures[0]
        unused = [one for one in self._script if one.left()]
        if unused:
            msg = f"never sent: {', '.join(map(repr, unused))}; sent: {self.calls!r}"
            raise AssertionError(msg)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            {op: Serves() for op in operations(self.domain) if op not in self._without}
        )

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        del op
        return self._answering

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def _answer(self, op: Operation[Any]) -> Any:
        self.calls.append(op)
        found = self._next(op)
        if found is None:
            left = [one for one in self._script if one.answers()]
            failure = UnexpectedOperation(f"unexpected {op!r}; expected {left or 'nothing more'}")
            self._failures.append(failure)
            raise failure
        found.take()
        return await found.play()

    def _next(self, op: Operation[Any]) -> Expectation[Any] | None:
        for one in self._script:
            if one.answers() and one.meets(op):
                return one
            if self._ordered and one.left():
                return None
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.verify()


@final
class ScriptedKeyValue(Script[keyvalue.KeyValue], keyvalue.KeyValueBackend):
    """A key-value backend that answers by script."""

    domain = keyvalue


@final
class ScriptedDocuments(Script[documents.Documents], documents.DocumentsBackend):
    """A documents backend that answers by script."""

    domain = documents


@final
class ScriptedVectors(Script[vectors.Vectors], vectors.VectorsBackend):
    """A vectors backend that answers by script."""

    domain = vectors


@final
class ScriptedMedia(Script[media.Media], media.MediaBackend):
    """A media backend that answers by script."""

    domain = media


def operations(domain: ModuleType) -> tuple[type[Operation[Any]], ...]:
    """Return all operation types of a domain's module, the health check among them."""
    found: list[type[Operation[Any]]] = [
        value
        for value in vars(domain).values()
        if isinstance(value, type) and issubclass(value, Operation)
    ]
    return (*found, Check)
