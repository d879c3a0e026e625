"""Immutable values that operations and answers are made of."""

from lamina.values.answers import Done, Failed, Outcome, Page, Stamped
from lamina.values.checks import (
    CONTENT,
    KEY,
    MAX_KEY,
    POSITIVE,
    Count,
    Key,
    Seconds,
    Text,
    check_choice,
    check_key,
    check_mapping,
    check_positive,
    check_text,
    check_type,
    each_of,
)
from lamina.values.frozen import EMPTY, FrozenDict, Json, freeze, thaw
from lamina.values.vectors import SparseVector, Vector

__all__ = [
    "CONTENT",
    "EMPTY",
    "KEY",
    "MAX_KEY",
    "POSITIVE",
    "Count",
    "Done",
    "Failed",
    "FrozenDict",
    "Json",
    "Key",
    "Outcome",
    "Page",
    "Seconds",
    "SparseVector",
    "Stamped",
    "Text",
    "Vector",
    "check_choice",
    "check_key",
    "check_mapping",
    "check_positive",
    "check_text",
    "check_type",
    "each_of",
    "freeze",
    "thaw",
]
