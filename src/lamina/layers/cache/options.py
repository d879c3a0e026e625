"""The options of a cache, checked where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.layers.cache.second.options import check as check_second
from lamina.options import check_number, check_whole

if TYPE_CHECKING:
    from lamina.layers.cache.layer import Cache


def check(cache: Cache) -> None:
    """Refuse options that cannot work.

    Raises:
        StackError: One is out of its range.
    """
    check_number(cache, "ttl", above=0)
    for name in ("max_entries", "max_bytes"):
        check_whole(cache, name, least=1)
    check_number(cache, "jitter", least=0, below=1)
    for name in ("doubt", "stale_while_revalidate", "stale_if_error"):
        check_number(cache, name, least=0)
    check_number(cache, "negative_ttl", above=0, most=30, optional=True)
    check_number(cache, "idle", above=0, optional=True)
    check_second(cache)
