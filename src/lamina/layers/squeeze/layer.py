"""Compress content before it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.layer import Layer
from lamina.layers.squeeze.codecs import Squeezed
from lamina.layers.squeeze.core import Squeezer, SqueezeStatus
from lamina.options import check_order, check_whole

if TYPE_CHECKING:
    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site

_MIB: Final = 1024 * 1024


@final
class Squeeze(Layer):
    """Compress values and documents of at least *least* bytes with zlib, where it saves anything.

    *level* is zlib's, 1 (fast) to 9 (small). No more than *most* bytes are ever made of what is
    stored: a small value that would become a huge one is ``Corrupt``; content above *most* is
    stored as it is. What was written before the layer was there is read as before. Vectors and
    media pass untouched.

    Compare-and-set, appends and counters read first, and write under a condition, as with
    ``Seal``. Words are not searched for in documents, as the backend cannot see them. Outside
    ``Seal``, inside ``Cache``. More than 32 KiB are handled in a thread; a cancelled caller does
    not wait for it. *level* is zlib's default, the other defaults are our own.

    Raises:
        StackError: An option is out of its range.
        Corrupt: What was read is not what was squeezed, or would have more than *most* bytes.
        Unsupported: A search for words. Nothing was sent.
        Conflict: Others changed a key at each of 16 tries to append or count. Nothing was written.
        DeadlineExceeded: The caller's deadline came while others changed the key.
    """

    slot = "squeeze"
    repeats = True  # an append reads and writes

    def __init__(self, *, least: int = 1024, level: int = 6, most: int = 64 * _MIB) -> None:
        self.least = least
        self.level = level
        self.most = most
        check_whole(self, "least", least=0)
        check_whole(self, "level", least=1, most=9)
        check_whole(self, "most", least=1, most=2**32)
        check_order(self, "least", "most")

    def setup(self, site: Site) -> None:
        self._squeezer = Squeezer(least=self.least, level=self.level, most=self.most)
        self._domains = Squeezed(self._squeezer, site)

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Want what carries or answers values and documents."""
        return Squeezed.codes(op)

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        return cast("Handler[Op, R]", self._domains.handler(op, inner))

    def serves(self, below: Capabilities) -> Capabilities:
        """Serve no search for words, and appends and counters only over compare-and-set."""
        return Squeezed.serves(below)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        return Squeezed.worst(op, below)

    def status(self) -> SqueezeStatus:
        """Return what was stored so far, and how much of it was saved."""
        return self._squeezer.status()

    async def close(self) -> None:
        await self._domains.close()
