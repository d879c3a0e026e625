"""Filters and metadata on which a backend must decide as ``Filter.matches`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.filters import F

if TYPE_CHECKING:
    from lamina.filters import Filter

METADATA: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"n": 0, "tag": "x"},
    {"n": 1, "tag": "y", "flag": True},
    {"n": 1.0, "tag": "Y", "flag": False},
    {"n": True, "tag": 1},
    {"n": 2.5, "tag": "x", "list": [1, "a", True, None]},
    {"n": "1", "tag": "", "list": []},
    {"n": None, "tag": None, "list": ["a"]},
    {"n": [1], "tag": ["x"], "list": "a"},
    {"n": -3, "deep": {"n": 1, "tag": "x"}},
    {"n": 2**53, "deep": {"deep": {"n": 2}}},
    {"tag": "ключ", "deep": "x"},
    {"tag": "a'b\"c", "deep": None},
    {"tag": "100%_", "n": 1e300},
)

FILTERS: Final[tuple[Filter, ...]] = (
    F.n == 1,
    F.n != 1,
    F.n == 1.0,
    F.n == True,  # noqa: E712  # builds a filter
    F.n != True,  # noqa: E712  # builds a filter
    F.n == "1",
    F.n < 1,
    F.n <= 1,
    F.n > 1,
    F.n >= 2**53,
    F.n.between(0, 2.5),
    F.tag == "x",
    F.tag != "x",
    F.tag > "x",
    F.tag <= "Y",
    F.tag == "",
    F.tag == "ключ",
    F.tag == "a'b\"c",
    F.tag == "100%_",
    F.flag == False,  # noqa: E712  # builds a filter
    F.n.is_in([1, "1", True]),
    F.n.is_in([]),
    F.tag.is_in(["x", "ключ"]),
    F.list.contains("a"),
    F.list.contains(1),
    F.list.contains(True),  # noqa: FBT003  # the value asked for
    F.tag.contains("x"),
    F.n.exists(),
    F.tag.exists(),
    ~F.tag.exists(),
    F["deep.n"] == 1,
    F["deep.n"].exists(),
    F["deep.deep.n"] > 1,
    ~(F.n == 1),
    ~(F.tag != "x"),
    (F.n == 1) & (F.tag == "y"),
    (F.n == 1) | (F.tag == "x"),
    ~((F.n == 1) | (F.tag == "x")),
    (F.n >= 0) & ~(F.tag == "x") & F.tag.exists(),
    ((F.n == 0) | (F.n == 2.5)) & (F.tag == "x"),
)
