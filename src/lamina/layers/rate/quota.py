"""Allow at most so many calls in a time."""

from __future__ import annotations

from typing import final

from lamina.layers.rate.limited import Limited


@final
class Quota(Limited):
    """Let at most *rate* calls through in *per* seconds, and *burst* (default: *rate*) at once.

    Stands outside ``Cache`` and ``Retry``: it counts what callers ask, however it is answered; a
    batch is one call. See ``Throttle`` for what reaches the backend, and ``Scope`` for a quota of
    each tenant. The line works as ``Throttle``'s. No queue by default: a caller is told at once.

    Raises:
        RateLimited: No token in time, told at once; *retry_after* is exact. Nothing was sent.
    """

    slot = "quota"
