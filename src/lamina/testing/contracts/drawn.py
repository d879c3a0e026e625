"""Strategies for names, texts, bytes and metadata of every kind that a store must take.

Each is given ``hypothesis.strategies``, so that Hypothesis is loaded only where it is used.
"""

from __future__ import annotations

from typing import Any, Final

from lamina.testing.samples import NAMES

_LARGEST: Final = 300_000
_NAME_BYTES: Final = 1024
_WHOLE: Final = 2**53 - 1  # what JSON in every language can hold


def names(strategies: Any) -> Any:
    """Draw valid keys: of every kind of Unicode, up to 1,024 bytes, and such as broke stores."""
    drawn = texts(strategies).filter(_is_name)
    return strategies.sampled_from(NAMES) | drawn


def texts(strategies: Any) -> Any:
    """Draw texts without NUL and lone surrogates, which no store must take; empty ones too."""
    characters = strategies.characters(exclude_characters="\0", exclude_categories=("Cs",))
    hostile = strategies.sampled_from(
        [
            "",
            " ",
            "\r\n",
            "\ufeff",
            "\u2028",
            "\u202e",
            "é",
            "e\u0301",
            "\u0130\u0131\u017f\u212a",
            "\U0001f468\u200d",
        ]
    )
    return (
        strategies.text(characters, max_size=40)
        | strategies.lists(hostile, max_size=10).map("".join)
        | strategies.sampled_from(["'", '"', "\\", "%_", "$1", "{}", "null", "--", "\x7f\x1b["])
    )


def blobs(strategies: Any) -> Any:
    """Draw bytes: any, texts, JSON, such as are no UTF-8, and now and then many."""
    tile = strategies.binary(min_size=1, max_size=5)
    edges = strategies.sampled_from([b"a\0", b"\0a", b"a\n", b" a ", b"a\r\n", b"\x1f\x8b\x08"])
    return (
        strategies.binary(max_size=200)
        | texts(strategies).map(str.encode)
        | strategies.sampled_from([b"", b"\0", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"1", b"[]"])
        | edges
        | strategies.builds(_repeated, tile, strategies.sampled_from([4_096, 65_537, _LARGEST]))
    )


def metadata(strategies: Any) -> Any:
    """Draw JSON objects with names and values of every kind."""
    whole = strategies.integers(-_WHOLE, _WHOLE)
    real = strategies.floats(allow_nan=False, allow_infinity=False, width=32)
    leaf = strategies.none() | strategies.booleans() | whole | real | texts(strategies)

    def nested(inner: Any) -> Any:
        named = strategies.dictionaries(texts(strategies), inner, max_size=3)
        return strategies.lists(inner, max_size=3) | named

    value = strategies.recursive(leaf, nested, max_leaves=6)
    return strategies.dictionaries(texts(strategies), value, max_size=4)


def _is_name(text: str) -> bool:
    return 0 < len(text.encode()) <= _NAME_BYTES


def _repeated(tile: bytes, size: int) -> bytes:
    return (tile * (size // len(tile) + 1))[:size]
