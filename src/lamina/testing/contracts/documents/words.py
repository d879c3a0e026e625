"""Stores that find words, and stores that cannot see any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.domains.documents import Find
from lamina.errors import Unsupported

if TYPE_CHECKING:
    from lamina.domains.documents import Documents


async def finds_words(store: Documents) -> bool:
    """Tell whether *store* finds words; if not, check that it says so and sends nothing."""
    if store.bound.capabilities.offers(Find, "text"):
        return True
    with pytest.raises(Unsupported) as caught:
        await store.search("words")
    assert caught.value.sent == "no"
    return False
