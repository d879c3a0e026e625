"""Refuse what names no tenant, and give each tenant its quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, final

from lamina.bucket import Bucket, check_pace
from lamina.errors import Invalid, RateLimited, StackError
from lamina.layer import Layer
from lamina.layers.scope.tenants import Tenants
from lamina.options import check_flag, check_number, check_whole

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, Operation, R
    from lamina.site import Site


class ScopeStatus(NamedTuple):
    """How many tenants are counted now, and how many calls were refused for each reason."""

    tenants: int
    unscoped: int
    limited: int


@final
class Scope(Layer):
    """Let only operations of a tenant through, and of each at most *rate* in *per* seconds.

    A tenant is what ``store.scoped("acme")`` names; with *strict* an operation of none is refused,
    ``check()`` apart. Without *rate* there is no quota; *burst* (default: *rate*) may come at once.
    No tenant's calls cost another's tokens. 10,000 tenants have a bucket of their own at the same
    time, the rest share one: see ``Tenants``. Operations of no tenant, if they may pass, have no
    quota here; see ``Quota``.

    Raises:
        Invalid: The operation names no tenant. Nothing was sent.
        RateLimited: The tenant's tokens are spent; *retry_after* is exact. Nothing was sent.
    """

    slot = "scope"

    def __init__(
        self,
        *,
        strict: bool = True,
        rate: float | None = None,
        per: float = 1.0,
        burst: int | None = None,
    ) -> None:
        self.strict = strict
        self.rate = rate
        self.per = per
        self.burst = burst
        check_flag(self, "strict")
        check_number(self, "rate", above=0, optional=True)
        check_number(self, "per", above=0)
        check_whole(self, "burst", least=1, most=1e12, optional=True)
        if rate is not None:
            check_pace("Scope", rate, per)
        elif burst is not None:
            msg = "Scope: burst needs a rate"
            raise StackError(msg)

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._unscoped = 0
        rate = self.rate
        self._tenants: Tenants | None = None
        if rate is not None:
            self._tenants = Tenants(lambda: Bucket.of(rate, self.per, self.burst))

    def wants(self, op: type[Operation[Any]]) -> bool:
        return op.domain != "store" and (self.strict or self.rate is not None)

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if not op.scope:
            if self.strict:
                self._unscoped += 1
                msg = "no tenant is named: use store.scoped(...)"
                raise Invalid(msg, layer="scope")
        elif self._tenants is not None:
            wait = self._tenants.take(op.scope, self._runtime.now())
            if wait is not None:
                msg = f"the tenant's quota is spent for another {wait:.3g} s"
                raise RateLimited(msg, layer="scope", retry_after=wait)
        return await inner(op)

    def status(self) -> ScopeStatus:
        """Describe it as it is now."""
        if self._tenants is None:
            return ScopeStatus(0, self._unscoped, 0)
        return ScopeStatus(len(self._tenants), self._unscoped, self._tenants.refused)
