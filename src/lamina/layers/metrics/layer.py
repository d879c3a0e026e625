"""Count and time each operation, logical calls and attempts apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

from lamina.hooks import Hook
from lamina.layer import Layer
from lamina.layers.metrics.measured import measured
from lamina.layers.metrics.series import Series
from lamina.options import check_hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.operation import Handler, Op, R
    from lamina.site import Site


class Sink(Protocol):
    """Is told each call; runs inline, so it should only hand on. What it raises is counted."""

    def __call__(self, operation: str, seconds: float, error: BaseException | None, /) -> None:
        """Take one finished call."""
        ...


@final
class Metrics(Layer):
    """Keep a histogram of durations and counts of errors for each operation type.

    Everything stays in the process and in bounded memory. Where a layer below may turn one call
    into several or none, attempts are counted apart, next to the backend. *sink* is told each
    logical call too.
    """

    slot = "metrics"

    def __init__(self, *, sink: Sink | None = None) -> None:
        self.sink = sink
        check_hook(self, "sink")

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self.calls: dict[str, Series] = {}
        self.attempts: dict[str, Series] = {}
        self._sink: Hook[[str, float, BaseException | None], None] | None = None
        if self.sink is not None:
            self._sink = Hook(self.sink, "Metrics", "sink")

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        series = self.calls.setdefault(op.__name__, Series())
        if self._sink is None:
            return measured(series, inner, self._runtime)
        return measured(series, inner, self._runtime, _teller(op.__name__, self._sink))

    def attempt_half(self) -> AttemptMetrics:
        return AttemptMetrics(self)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return calls and attempts as plain data, for each operation that was called or attempted.

        Layers between may attempt another one than was called, such as a batch of several.
        """
        told: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys((*self.calls, *self.attempts)):
            calls = self.calls.get(name, Series())
            attempts = self.attempts.get(name, Series())
            if calls.succeeded or calls.failed or attempts.succeeded or attempts.failed:
                told[name] = {"calls": calls.summary()}
                if name in self.attempts:
                    told[name]["attempts"] = attempts.summary()
        return told

    @property
    def sink_failures(self) -> int:
        """How often the sink raised."""
        return 0 if self._sink is None else self._sink.raised


@final
class AttemptMetrics(Layer):
    """The half of ``Metrics`` that sees each attempt; put in place by it."""

    slot = "attempt-metrics"

    def __init__(self, whole: Metrics) -> None:
        self.whole = whole

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        series = self.whole.attempts.setdefault(op.__name__, Series())
        return measured(series, inner, self._runtime)


def _teller(
    name: str, sink: Hook[[str, float, BaseException | None], None]
) -> Callable[[float, BaseException | None], None]:
    def tell(seconds: float, error: BaseException | None) -> None:
        sink(None, name, seconds, error)

    return tell
