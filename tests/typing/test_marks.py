"""Every rejected line is marked for both checkers, which `make check` runs over this folder."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
MYPY = re.compile(r"# type: ignore\[[a-z-]+\]")
PYRIGHT = re.compile(r"# pyright: ignore\[\w+(, \w+)*\]")


def test_rejected_lines_are_marked_for_both_checkers() -> None:
    lines = (HERE / "rejected.py").read_text().splitlines()
    marked = [line for line in lines if "ignore" in line and not line.startswith('"""')]
    assert len(marked) > 30
    for line in marked:
        assert MYPY.search(line), line
        assert PYRIGHT.search(line), line


def test_accepted_lines_need_no_mark() -> None:
    assert "ignore" not in (HERE / "api.py").read_text()


def test_a_mark_that_is_not_needed_is_an_error() -> None:
    tools = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["tool"]
    assert tools["mypy"]["strict"] is True
    assert tools["pyright"]["typeCheckingMode"] == "strict"
    assert tools["pyright"]["reportUnnecessaryTypeIgnoreComment"] == "error"
    assert tools["pyright"]["enableTypeIgnoreComments"] is False
