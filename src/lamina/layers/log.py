"""Log failed and slow operations, and on demand every one, without their content."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, Protocol, final

from lamina.errors import StackError
from lamina.layer import Layer

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, R
    from lamina.site import Site


class Logger(Protocol):
    """What is needed of a structlog logger; ``structlog.get_logger()`` gives one."""

    def debug(self, event: str, **values: Any) -> Any:
        """Log what is of interest only to who looks for it."""
        ...

    def warning(self, event: str, **values: Any) -> Any:
        """Log what somebody should look at."""
        ...


@final
class Log(Layer):
    """Log failures and operations slower than *slow* seconds as warnings, the rest as debug.

    Logged are the operation, its key, the duration, the error's type and message: never values,
    texts, vectors or metadata. *logger* is a structlog logger; the default writes through the
    standard library's logger ``lamina``, whose level is checked before any work is done. A
    logger that raises never fails the call; it is counted in ``dropped``.
    """

    slot = "log"

    def __init__(self, *, slow: float | None = None, logger: Logger | None = None) -> None:
        if slow is not None and not 0 < slow < math.inf:
            msg = f"Log: slow must be more than 0 and finite, got {slow!r}"
            raise StackError(msg)
        self.slow = slow
        self.logger = logger

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._backend = site.backend
        self._slow = math.inf if self.slow is None else self.slow
        self._logger = _standard() if self.logger is None else self.logger
        self._wants_all = _level_check(self._logger)
        self.dropped = 0

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        began = self._runtime.now()
        try:
            answer = await inner(op)
        except Exception as error:
            self._write(op, began, error)
            raise
        if self._wants_all(logging.DEBUG) or self._runtime.now() - began > self._slow:
            self._write(op, began, None)
        return answer

    def _write(self, op: Op, began: float, error: Exception | None) -> None:
        try:
            seconds = self._runtime.now() - began
            brief = op.brief()
            told: dict[str, Any] = {
                "operation": f"{brief.domain}.{brief.operation}",
                "target": brief.target,
                "backend": self._backend,
                "seconds": round(seconds, 6),
            }
            if error is not None:
                told |= {"error": type(error).__name__, "reason": _reason(error)}
                self._logger.warning("operation failed", **told)
            elif seconds > self._slow:
                self._logger.warning("operation was slow", **told)
            else:
                self._logger.debug("operation", **told)
        except Exception:  # noqa: BLE001  # a logger never fails the call that it watches
            self.dropped += 1


def _reason(error: Exception) -> str:
    """Return the message of an error of ours; one from elsewhere might hold anything."""
    from lamina.errors import LaminaError

    return str(error.args[0]) if isinstance(error, LaminaError) and error.args else ""


def _standard() -> Logger:
    import structlog

    logger: Logger = structlog.wrap_logger(
        logging.getLogger("lamina"),
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def _level_check(logger: Any) -> Any:
    for name in ("isEnabledFor", "is_enabled_for"):
        check = getattr(logger, name, None)
        if callable(check):
            return check
    return lambda _: True
