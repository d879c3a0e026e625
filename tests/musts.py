"""List, for each thing that a resilience layer must do, the tests that carry its number.

``python tests/musts.py [--json]``; fails if one has neither a test nor a decision against it. A
test carries a number in the beginning of its name: ``test_rt3_rt4_never_sleeps_too_long``. A page
in docs/decisions rejects one by a line ``Rejects: DL7, because ...``.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
MUSTS: Final = {
    **dict.fromkeys([f"C{n}" for n in range(1, 11)], "all layers"),
    **dict.fromkeys([f"DL{n}" for n in range(1, 11)], "deadline and timeout"),
    **dict.fromkeys([f"RT{n}" for n in range(1, 13)], "retry"),
    **dict.fromkeys([*(f"CB{n}" for n in range(1, 12)), "CB13"], "circuit breaker"),
    **dict.fromkeys([f"BH{n}" for n in range(1, 5)], "limit"),
    **dict.fromkeys([f"RL{n}" for n in range(1, 4)], "throttle and quota"),
    **dict.fromkeys([f"HG{n}" for n in range(1, 8)], "hedge"),
    **dict.fromkeys([f"FB{n}" for n in range(1, 7)], "fallback"),
    **dict.fromkeys([f"CA{n}" for n in range(1, 16) if n not in (5, 14)], "cache"),
    "CH1": "chaos",
}
"""Each number, and what it is about."""

_NUMBER: Final = re.compile(r"(c|ca|dl|rt|cb|bh|rl|hg|fb|ch)\d+")
_REJECTS: Final = re.compile(r"^Rejects: ([A-Z]+\d+),", re.MULTILINE)


def numbers(test: str) -> list[str]:
    """Return the numbers that the name of a test begins with."""
    found: list[str] = []
    for part in test.removeprefix("test_").split("_"):
        if not _NUMBER.fullmatch(part):
            break
        found.append(part.upper())
    return found


def carried() -> dict[str, list[str]]:
    """Return the tests by number, as ``path::name``."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if not node.name.startswith("test_") or _is_skipped(node):
                    continue
                for number in numbers(node.name):
                    place = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                    found.setdefault(number, []).append(place)
    return found


def rejected() -> dict[str, str]:
    """Return the decision page by number."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    return {
        number: page.relative_to(ROOT).as_posix()
        for page in pages
        for number in _REJECTS.findall(page.read_text())
    }


def _is_skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any("mark.skip" in mark or "mark.xfail" in mark for mark in marks)


def main() -> int:
    """Print the list; 1 if a number is carried by nothing, or is unknown."""
    parser = argparse.ArgumentParser(prog="python tests/musts.py", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    tests, pages = carried(), rejected()
    told = {number: tests.get(number) or [pages.get(number, "")] for number in MUSTS}
    missing = [number for number, places in told.items() if places == [""]]
    unknown = sorted((set(tests) | set(pages)) - set(MUSTS))
    if asked.json:
        print(json.dumps({"musts": told, "missing": missing, "unknown": unknown}, indent=2))
    else:
        for number, places in told.items():
            print(f"{number:5} {MUSTS[number]:21} {places[0] or 'NO TEST'}")
            for place in places[1:]:
                print(" " * 27, place)
    for number in missing:
        print(f"{number} has no test and no decision against it", file=sys.stderr)
    for number in unknown:
        print(f"{number} is no number of these", file=sys.stderr)
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
