"""Encrypt content before the backend sees it."""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Any, cast, final

from lamina.layer import Layer
from lamina.layers.seal.cipher import Cipher
from lamina.layers.seal.codecs import Sealed
from lamina.layers.seal.core import Sealer, SealStatus
from lamina.layers.seal.keys import Key, keys_of, new_key
from lamina.options import check_flag

if TYPE_CHECKING:
    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


@final
class Seal(Layer):
    """Encrypt content with AES-256-GCM; the backend sees keys, sizes, metadata and vectors only.

    The first of *keys* seals, all of them open: to rotate, put a new one first, write everything
    anew, then drop the old. A key is 32 random bytes as URL-safe base64, see ``Seal.new_key``.
    What is sealed is bound to its domain, scope and key: moved, swapped, cut off or changed it
    is ``Corrupt``. That an older value was put back in its own place is not noticed. What is not
    sealed is ``Corrupt`` too, unless *allow_plain*, which is for the time of a migration: then
    whoever can write to the backend can put plain content there.

    Compare-and-set, appends and counters read first, and write under a condition. What would need
    the backend to see content is not served: searches for words, texts to embed, signed URLs.
    Outside ``Retry``, so that each attempt sends the same bytes; inside ``Cache``, which holds
    plain content in memory, and inside ``Squeeze``, as what is sealed cannot be compressed. More
    than 512 KiB are sealed in a thread; a cancelled caller does not wait for it.

    Raises:
        StackError: A key is none, or the package cryptography is missing.
        Corrupt: What was read is not what was sealed there, or its key is not given.
        Unsupported: A search or a text needs the backend to see content. Nothing was sent.
        Conflict: Others changed a key at each of 16 tries to append or count. Nothing was written.
        DeadlineExceeded: The caller's deadline came while others changed the key.
    """

    slot = "seal"
    repeats = True  # an append reads and writes

    def __init__(
        self, keys: str | list[str] | tuple[str, ...], *, allow_plain: bool = False
    ) -> None:
        self.keys: tuple[Key, ...] = keys_of(keys)
        self.allow_plain = allow_plain
        check_flag(self, "allow_plain")

    @staticmethod
    def new_key() -> str:
        """Return a new random key; keep it where the sealed content is not."""
        return new_key()

    def setup(self, site: Site) -> None:
        self._sealer = Sealer(self.keys, Cipher(), token_bytes, allow_plain=self.allow_plain)
        self._domains = Sealed(self._sealer, site)

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Want what carries or answers content."""
        return Sealed.codes(op)

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        return cast("Handler[Op, R]", self._domains.handler(op, inner))

    def serves(self, below: Capabilities) -> Capabilities:
        """Serve what is known to hide content, or to have none; nothing else."""
        return Sealed.serves(below)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        return Sealed.worst(op, below)

    def status(self) -> SealStatus:
        """Return what was sealed and opened so far, by key."""
        return self._sealer.status()

    async def close(self) -> None:
        await self._domains.close()
