"""Send at most so many attempts in a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.layers.rate.limited import Limited

if TYPE_CHECKING:
    from lamina.site import Site


@final
class Throttle(Limited):
    """Let at most *rate* attempts through in *per* seconds, and *burst* (default: *rate*) at once.

    Stands inside ``Retry`` and ``Hedge``, so that it counts what the backend really sees. A batch
    is one attempt. *queue* attempts wait for their turn, first come first served, at most *wait*
    seconds and never into the caller's deadline; waiting is told in ``Call.queued``. A cancelled
    one gives its token back, and those behind it move up. In any *t* seconds at most
    ``rate / per * t + burst`` pass. Stacks that name the same *shared* throttle use it together.

    Raises:
        RateLimited: No token in time, told at once; *retry_after* is exact. Nothing was sent.
    """

    slot = "throttle"

    def setup(self, site: Site) -> None:
        super().setup(site)
        site.common.reluctant.append(self._is_waited_for)

    def _is_waited_for(self) -> bool:
        return self._line.waiting > 0
