"""One small typed language for conditions on metadata: ``(F.tag == "x") & (F.year >= 2020)``.

Meaning, the same on every backend or refused before any IO: a comparison with a field that is
missing, or holds another type, is false (also ``!=``); ``~`` turns true into false and back.
``1`` and ``1.0`` are equal, ``1`` and ``True`` are not. A dot in a name steps into an object.
"""

from lamina.filters.language import F, Field
from lamina.filters.nodes import (
    Compare,
    Comparison,
    Contains,
    Every,
    Exists,
    Filter,
    Not,
    OneOf,
    Scalar,
    Some,
    check_filter,
    kind,
    lookup,
)

__all__ = [
    "Compare",
    "Comparison",
    "Contains",
    "Every",
    "Exists",
    "F",
    "Field",
    "Filter",
    "Not",
    "OneOf",
    "Scalar",
    "Some",
    "check_filter",
    "kind",
    "lookup",
]
