"""Answers on their way into the second tier, behind the caller's back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from lamina.layers.cache.second.coders import Unstorable
from lamina.layers.cache.second.frame import packed
from lamina.layers.cache.second.gens import fresh, fresh_root
from lamina.layers.cache.second.kinds import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.layers.cache.second.answers import Draft, Look
    from lamina.layers.cache.second.far import Far
    from lamina.layers.cache.second.stats import Counts
    from lamina.runtime import Runtime

_DAY: Final = 86_400.0
_LIVES: Final = 10  # of an answer, for which a generation stays at least


@final
class Keeper:
    """Stores answers under the generations that were seen before they were asked.

    A generation that was absent then is made first, if it still is: a write that began in between
    holds its place, and does so longer than *window* seconds, after which none is made.
    *is_clear* tells that nothing is owed.
    """

    def __init__(
        self,
        far: Far,
        counts: Counts,
        runtime: Runtime,
        is_clear: Callable[[], bool],
        *,
        ttl: float,
        window: float,
    ) -> None:
        self._far = far
        self._counts = counts
        self._runtime = runtime
        self._is_clear = is_clear
        self._window = window
        self._gens_live = max(_DAY, _LIVES * ttl)
        self._last: bytes | None = None
        self._seen = False  # whether this process knew of a root, ever

    def is_lost(self, root: bytes | None) -> bool:
        """Note the root that was found; tell whether the one before, and all with it, is gone."""
        lost = self._seen and root != self._last
        self._last, self._seen = root, self._seen or root is not None
        return lost

    async def keep(self, look: Look, drafts: Sequence[Draft]) -> None:
        """Store *drafts*, which are not none."""
        made = await self._root(look, drafts[0])
        if made is None:
            return
        lost: set[str] = set()
        for key in dict.fromkeys(k for d in drafts for k in look.standings[d.wanted.key].absent):
            told = fresh()
            done = await self._far.create(key, told, self._gens_live)
            if done is None:
                return
            made = True
            look.told[key] = told
            if not done:
                lost.add(key)
        if made and self._runtime.now() >= look.began + self._window:
            return
        items = self._items(look, [one for one in drafts if lost.isdisjoint(one.wanted.gens)])
        if items and self._is_clear():
            life = max(draft.life for draft in drafts)
            if await self._far.put(items, life):
                self._counts.stored += len(items)

    async def _root(self, look: Look, draft: Draft) -> bool | None:
        """Make a root where there is none; tell whether one was made, None if it is not in use.

        One that follows a lost one is not used for a while; of a tier that was never used nobody
        has lost any.
        """
        standing = look.standings[draft.wanted.key]
        if not standing.replaces:
            return False
        new = not self._seen and standing.root is None
        root = fresh_root(0.0 if new else self._runtime.wall())
        if not await self._far.create(look.root, root, None, standing.root):
            return None
        look.told[look.root] = self._last = root
        self._seen = True
        return True if new else None

    def _items(self, look: Look, drafts: Sequence[Draft]) -> dict[str, bytes]:
        items: dict[str, bytes] = {}
        for draft in drafts:
            kind = draft.wanted.kind
            try:
                data = packed(
                    kind.coder,
                    kind.mark,
                    draft.wanted.digest,
                    draft.answer,
                    asked=draft.asked,
                    until=draft.until,
                    generations=look.digest(draft.wanted),
                )
            except (Unstorable, RecursionError):
                self._counts.skipped += 1
                continue
            if len(data) > LARGEST:
                self._counts.skipped += 1
                continue
            items[draft.wanted.key] = data
        return items
