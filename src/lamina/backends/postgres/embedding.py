"""Turn what is to be written, or asked for, into vectors that pgvector can hold."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from lamina.backends.postgres.written import stored
from lamina.embed import default_embedder, embedded
from lamina.errors import Invalid, Unsupported
from lamina.values import check_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.postgres.facts import Facts
    from lamina.domains.vectors import Nearest, Upsert
    from lamina.embed import Embedder
    from lamina.threads import OneThread
    from lamina.values import Vector

Values: TypeAlias = tuple[Any, ...]
Ready: TypeAlias = "tuple[Upsert, Vector]"
_AT_ONCE: Final = 256  # records
_SHORTEST: Final = 1e-15  # shorter or longer ones leave float32 when their numbers are squared
_LONGEST: Final = 1e18


@final
class Embedding:
    """Embeds texts in a thread; refuses what cannot be held, each record by itself."""

    def __init__(self, embedder: Embedder | None, facts: Facts, thread: OneThread) -> None:
        self.embedder: Embedder = embedder or default_embedder()
        self._facts = facts
        self._thread = thread

    async def asked(self, op: Nearest) -> Vector:
        """Return the vector of a query.

        Raises:
            Invalid: There is none, or the texts here were embedded by another.
            Unsupported: It is sparse.
        """
        _check_dense(op)
        if op.vector is not None:
            _check_length(op.vector)
            return op.vector
        if op.text is None:
            msg = "a search needs a vector or a text"
            raise Invalid(msg)
        await self._facts.claim(self.embedder.name, note=False)
        (made,) = await self._thread.run(embedded, self.embedder, [op.text])
        return made

    async def written(self, ops: Sequence[Upsert]) -> list[Ready | Invalid | Unsupported]:
        """Return each record with its vector, or why it cannot be stored."""
        refused: list[Invalid | Unsupported | None] = []
        for op in ops:
            if len(refused) % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)  # others go on
            refused.append(_refused(op))
        good = [op for op, why in zip(ops, refused, strict=True) if why is None]
        texts = [op.text for op in good if op.vector is None and op.text is not None]
        if texts:
            await self._facts.claim(self.embedder.name, note=True)
        made = iter(await self._thread.run(embedded, self.embedder, texts) if texts else ())
        vectors = [op.vector or next(made) for op in good]
        if vectors:
            await self._facts.fix(vectors[0].dimension)
        ready = zip(good, vectors, strict=True)
        return [next(ready) if why is None else why for why in refused]

    def values(self, op: Upsert, vector: Vector) -> Values | Invalid:
        """Return what is stored of a record: 32 bytes for each number, so not of many at once."""
        try:
            self._facts.check(vector.dimension)
            metadata = stored(op.metadata)
        except Invalid as error:
            return error
        return (op.scope, op.namespace, op.id, op.text, *metadata, vector.numbers())


def _refused(op: Upsert) -> Invalid | Unsupported | None:
    try:
        _check_dense(op)
        if op.namespace:
            check_key(op.namespace, what="a namespace")  # an index could not hold longer ones
        if op.vector is not None:
            _check_length(op.vector)
        elif op.text is None:
            msg = "a record needs a vector or a text"
            raise Invalid(msg)
    except (Invalid, Unsupported) as error:
        return error
    return None


def _check_dense(op: Upsert | Nearest) -> None:
    if op.sparse is not None:
        msg = "the postgres backend holds dense vectors only"
        raise Unsupported(msg)


def _check_length(vector: Vector) -> None:
    length = math.hypot(*vector.numbers())
    if length and not _SHORTEST <= length <= _LONGEST:
        msg = f"a vector's length must be 0 or from {_SHORTEST:g} to {_LONGEST:g}"
        raise Invalid(msg)
