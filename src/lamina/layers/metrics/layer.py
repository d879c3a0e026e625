"""Count and time each operation, logical calls and attempts apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

from lamina.layer import Layer
from lamina.layers.metrics.measured import measured
from lamina.layers.metrics.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.operation import Handler, Op, Operation, R
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

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self.calls: dict[str, Series] = {}
        self.attempts: dict[str, Series] = {}
        self.sink_failures = 0

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        series = self.calls.setdefault(op.__name__, Series())
        if self.sink is None:
            return measured(series, inner, self._runtime)
        return measured(series, inner, self._runtime, self._teller(op))

    def attempt_half(self) -> AttemptMetrics:
        return AttemptMetrics(self)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return, for each operation that was called, its calls and attempts as plain data."""
        told: dict[str, dict[str, Any]] = {}
        for name, series in self.calls.items():
            if series.succeeded or series.failed:
                told[name] = {"calls": series.summary()}
                if name in self.attempts:
                    told[name]["attempts"] = self.attempts[name].summary()
        return told

    def _teller(self, op: type[Operation[Any]]) -> Callable[[float, BaseException | None], None]:
        name, sink = op.__name__, self.sink

        def tell(seconds: float, error: BaseException | None) -> None:
            try:
                if sink is not None:
                    sink(name, seconds, error)
            except Exception:  # a sink never fails the call that it watches
                self.sink_failures += 1

        return tell


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
