"""Loggers: what is asked of one, and the one that serves without."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD: Final = logging.getLogger("lamina")


class Logger(Protocol):
    """What is needed of a structlog logger; ``structlog.get_logger()`` gives one."""

    def debug(self, event: str, **values: Any) -> Any:
        """Log what is of interest only to who looks for it."""
        ...

    def warning(self, event: str, **values: Any) -> Any:
        """Log what somebody should look at."""
        ...


def standard() -> Logger:
    """Return a structlog logger that writes through the standard library's."""
    import structlog

    logger: Logger = structlog.wrap_logger(
        STANDARD,
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def _tells(check: Callable[[int], Any]) -> bool:
    """Tell whether it works: structlog's loggers seem to have whatever one asks them for."""
    try:
        return isinstance(check(logging.DEBUG), bool)
    except Exception:  # a logger never fails the call that it watches
        return False


def level_check(logger: Any) -> Callable[[int], bool]:
    """Return how *logger* tells whether it shows a level; one that cannot tell shows all."""
    for name in ("isEnabledFor", "is_enabled_for"):
        check = getattr(logger, name, None)
        if callable(check) and _tells(check):
            return cast("Callable[[int], bool]", check)

    def shows(_: int) -> bool:
        return True

    return shows
