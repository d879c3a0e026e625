"""What a cache can be told to forget, and what it tells of itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import Invalid
from lamina.layers.cache.binding import explained, stats_of
from lamina.values import check_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.cache.ceiling import Ceiling
    from lamina.layers.cache.core import Core
    from lamina.layers.cache.fills import Fills
    from lamina.layers.cache.second import Second
    from lamina.layers.cache.stats import CacheStats
    from lamina.operation import Operation

_SLICE: Final = 1000
"""Answers looked at before the loop has a turn."""


class Controls:
    """The controls that everything with a cache of its own has."""

    _core: Core
    _fills: Fills
    _ceiling: Ceiling | None = None
    _second: Second | None = None

    def invalidate(
        self,
        pattern: str | None = None,
        *,
        key: str | None = None,
        tag: str | None = None,
        scope: str | None = None,
    ) -> None:
        """Forget, at once and in O(1), what is meant: everything, if nothing is named.

        Either a *tag* (see ``Operation.tags``), or the keys that match a glob *pattern* or are
        *key*, and that belong to the tenant *scope* if one is named. Searches and listings may
        show any key, so all of them are forgotten. Reads under way are not kept, and nobody who
        comes later is given their answers.

        Raises:
            Invalid: A *tag* and something else are named, or what is named is no text.
        """
        _check(pattern, key, tag, scope)
        self._core.invalidate(pattern, key=key, tag=tag, scope=scope)
        if self._second is None:
            return
        if tag is not None:
            self._second.owe((tag,))
        elif pattern is None and key is None and scope is not None:
            self._second.owe(scope=scope)
        else:
            self._second.owe(everything=True)

    def doubt_again(self, op: Operation[Any]) -> None:
        """Take a write for one that may still arrive: such as one whose caller left it to go on."""
        self._core.wrote(op.tags(), self._fills.runtime.now(), sure=False)
        if self._second is not None:
            self._second.owe(op.tags())

    async def sweep(self, *, invalidated: bool = False) -> int:
        """Let go of answers that no longer hold, giving the loop turns; return how many were due.

        They are never given in any case: it frees their memory at once, and counts. With
        *invalidated* it counts those that no write had ended.
        """
        core, runtime, dropped = self._core, self._fills.runtime, 0
        for place, entry in enumerate(list(core.shelf), 1):
            written = invalidated and any(mark.written for mark in entry.marks)
            dropped += core.drop_if_wrong(entry, runtime.now(), runtime.wall()) and not written
            if place % _SLICE == 0:
                await asyncio.sleep(0)
        return dropped

    def stats(self) -> CacheStats:
        """Return what it has done so far and what it holds."""
        return stats_of(self._core, self._second)

    def peek(self, op: Operation[Any]) -> Mapping[str, object]:
        """Tell whether the answer to *op* is held, how old it is, and how long it will be."""
        return explained(self._fills, op)

    def join(self, ceiling: Ceiling) -> None:
        """Hold no more, together with the other caches that joined it, than *ceiling* allows."""
        self._ceiling = ceiling
        self._core.limit(ceiling.max_bytes)
        ceiling.join(self._core.shelf)

    def leave(self) -> None:
        """Count under no ceiling any more."""
        if self._ceiling is not None:
            self._ceiling.leave(self._core.shelf)
            self._ceiling = None


def _check(pattern: str | None, key: str | None, tag: str | None, scope: str | None) -> None:
    for name, told in (("pattern", pattern), ("key", key), ("tag", tag), ("scope", scope)):
        if told is not None:
            check_type(told, str, what=name)
    if tag is not None and (pattern, key, scope) != (None, None, None):
        msg = "a tag is named alone, without pattern, key or scope"
        raise Invalid(msg)
