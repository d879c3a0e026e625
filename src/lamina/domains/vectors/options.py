"""What an index of vectors may be told to be."""

from __future__ import annotations

from typing import Final

from lamina.errors import StackError

_KINDS: Final = ("dense", "sparse", "hybrid")
_METRICS: Final = ("cosine", "dot", "euclidean")


def check_options(kind: object, metric: object) -> None:
    """Refuse a kind or a metric that there is not: it would be taken for another.

    Raises:
        StackError: It is none.
    """
    for name, given, known in (("kind", kind, _KINDS), ("metric", metric, _METRICS)):
        if given not in known:
            msg = f"{name} must be one of {', '.join(known)}, got {given!r:.40}"
            raise StackError(msg)
