"""Log failed and slow operations, and on demand every one, without their content."""

from __future__ import annotations

import math
from logging import DEBUG
from typing import TYPE_CHECKING, Any, final

from lamina.errors import LaminaError
from lamina.layer import Layer
from lamina.layers.log.logger import STANDARD, Logger, level_check, standard
from lamina.options import check_has, check_number

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, Operation, R
    from lamina.site import Site


@final
class Log(Layer):
    """Log failures and operations slower than *slow* seconds as warnings, the rest as debug.

    Logged are the operation, its key, the error's type and message, and the duration where it is
    measured (with *slow*, or while debug is on): never values, texts, vectors or metadata.
    *logger* is a structlog logger; the default writes through the standard library's logger
    ``lamina``, whose level is checked before any work is done. A logger that raises never fails
    the call; it is counted in ``dropped``.
    """

    slot = "log"

    def __init__(self, *, slow: float | None = None, logger: Logger | None = None) -> None:
        self.slow = slow
        self.logger = logger
        check_number(self, "slow", above=0, optional=True)
        check_has(self, "logger", "debug", "warning")

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._backend = site.backend
        self._logger = standard() if self.logger is None else self.logger
        self._shows = STANDARD.isEnabledFor if self.logger is None else level_check(self.logger)
        self.dropped = 0

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        shows = self._shows
        timed = super().bind(op, inner, site)  # `around`, below

        async def handler(op: Op) -> R:
            if shows(DEBUG):
                return await timed(op)
            try:
                return await inner(op)
            except Exception as error:
                self._write(op, error, None)
                raise

        return timed if self.slow is not None else handler

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        began = self._runtime.now()
        try:
            answer = await inner(op)
        except Exception as error:
            self._write(op, error, self._runtime.now() - began)
            raise
        seconds = self._runtime.now() - began
        if seconds > (self.slow or math.inf) or self._shows(DEBUG):
            self._write(op, None, seconds)
        return answer

    def _write(self, op: Operation[Any], error: Exception | None, seconds: float | None) -> None:
        try:
            brief = op.brief()
            told: dict[str, Any] = {
                "operation": f"{brief.domain}.{brief.operation}",
                "target": brief.target,
                "backend": self._backend,
            }
            if seconds is not None:
                told["seconds"] = round(seconds, 6)
            if error is not None:
                told |= {"error": type(error).__name__, "reason": _reason(error)}
                self._logger.warning("operation failed", **told)
            elif (seconds or 0) > (self.slow or math.inf):
                self._logger.warning("operation was slow", **told)
            else:
                self._logger.debug("operation", **told)
        except Exception:  # a logger never fails the call that it watches
            self.dropped += 1


def _reason(error: Exception) -> str:
    """Return the message of an error of ours; one from elsewhere might hold anything."""
    return str(error.args[0]) if isinstance(error, LaminaError) and error.args else ""
