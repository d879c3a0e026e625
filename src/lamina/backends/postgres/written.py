"""What stands beside a document's content: metadata for conditions, words for searches."""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from lamina.domains.documents.metadata import metadata_of
from lamina.domains.words import counted, words
from lamina.errors import Invalid
from lamina.values import EMPTY, FrozenDict, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WHOLE: Final = 2.0**53  # from here on every float is a whole number
_LONGEST: Final = 200  # bytes of a word; an entry of an index holds 2,700
_MOST_WORDS: Final = 1_000
_STEEP: Final = 1.2  # BM25's k1 and b, as SQLite's FTS5 has them
_LENGTH: Final = 0.75
_USUAL: Final = 256  # words in a document, instead of the mean of all, which writes would move
_NOTHING: Final = EMPTY.value()
_SPACE: Final = re.compile(r"\s")
_PIECE: Final = 32_768  # characters that are counted in one go, during which no other thread runs


class Metadata(NamedTuple):
    """Metadata as it is stored: *plain* for ``jsonb``, *exact* where that would change it."""

    plain: str
    exact: str | None


class Indexed(NamedTuple):
    """The words of a text, each once, and how much each counts."""

    words: list[str]
    weights: list[float]


def stored(given: Json) -> Metadata:
    """Return metadata as the columns ``metadata`` and ``exact`` hold it.

    Raises:
        Invalid: It is not a JSON object.
    """
    if given == EMPTY:
        return Metadata("{}", None)
    value = metadata_of(given)
    text = Json.of(value).data.decode()
    return Metadata(text, None) if _comes_back(value) else Metadata(encoded(plain(value)), text)


def decoded(text: str) -> Any:
    """Return stored metadata, frozen.

    Raises:
        Corrupt: It is no JSON.
    """
    return _NOTHING if text == "{}" else Json(text.encode()).value()


def encoded(value: Any) -> str:
    """Return *value*, which is JSON, as text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return what compares in ``jsonb`` as *value* does in Python.

    Floats from 2^53 on become whole numbers; in texts U+0001 becomes U+0001 U+0002, and NUL, which
    ``jsonb`` cannot hold, U+0001 U+0001, so that order is kept.
    """
    if isinstance(value, float):
        return int(value) if abs(value) >= _WHOLE else value
    if isinstance(value, str):
        return value.replace("\1", "\1\2").replace("\0", "\1\1")
    if isinstance(value, FrozenDict):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in cast("Iterable[Any]", value)]
    return value


def indexed(content: str) -> Indexed:
    """Return the words of *content* with their weights: BM25's, without how rare a word is."""
    counts: Counter[str] = Counter()
    for piece in _pieces(content):
        counts.update(words(piece))
    damp = _STEEP * (1 - _LENGTH + _LENGTH * counts.total() / _USUAL)
    known = {count: count * (_STEEP + 1) / (count + damp) for count in {*counts.values()}}
    weights = [known[count] for count in counts.values()]
    if len(content) <= _LONGEST // 4 or max(map(len, counts), default=0) <= _LONGEST // 4:
        return Indexed([*counts], weights)
    merged: dict[str, float] = {}  # words that are told apart no more count once
    for word, weight in zip(counts, weights, strict=True):
        key = _entry(word)
        merged[key] = max(weight, merged.get(key, 0.0))
    return Indexed([*merged], [*merged.values()])


def _pieces(content: str) -> Iterator[str]:
    """Give *content* in pieces that end where words end."""
    start = 0
    while start < len(content):
        found = _SPACE.search(content, start + _PIECE)
        end = found.end() if found else len(content)
        yield content[start:end]
        start = end


def asked(text: str) -> list[str]:
    """Return the words of a query, each once, as an index holds them.

    Raises:
        Invalid: There are more than 1,000.
    """
    found = sorted({_entry(word) for word in words(text)})
    if len(found) > _MOST_WORDS:
        msg = f"a search takes at most {_MOST_WORDS} words, got {len(found)}"
        raise Invalid(msg)
    return found


def _entry(word: str) -> str:
    told = counted(word)
    return word if len(told) <= _LONGEST else f"#{sha256(told).hexdigest()}"  # no word has a "#"


def _comes_back(value: Any) -> bool:
    """Tell whether ``jsonb`` compares *value* as Python does, and gives it back as it is."""
    if isinstance(value, str):
        return "\0" not in value and "\1" not in value
    if isinstance(value, float):
        told = repr(value)
        return abs(value) < _WHOLE and "e" not in told and told != "-0.0"
    if isinstance(value, FrozenDict):
        return all(map(_comes_back, value)) and all(map(_comes_back, value.values()))
    return not isinstance(value, tuple) or all(map(_comes_back, cast("Iterable[Any]", value)))
