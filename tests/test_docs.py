"""Every Python snippet of the documentation runs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from benchmarks.readme import numbers

from lamina.config.declared import declarations, failures, markdown
from lamina.config.registry import LAYERS

ROOT = Path(__file__).parent.parent
DOCS = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "backends").glob("*.md")]
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in DOCS)]
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([^)\s]+))?\)")


def compiled(page: str, code: str) -> CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(code, page, "exec", flags=flags)


@pytest.mark.parametrize("page", PAGES)
async def test_the_snippets_run_from_top_to_bottom(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMINA_HOME", str(tmp_path))
    names: dict[str, Any] = {"__name__": "snippet"}

    for code in SNIPPET.findall((ROOT / page).read_text(encoding="utf-8")):
        result = eval(compiled(page, code), names)
        if inspect.iscoroutine(result):
            await result
    for name, value in list(names.items()):
        if name.startswith("test_"):
            await asyncio.to_thread(value)  # it runs a loop of its own


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_links_lead_somewhere(page: str) -> None:
    for path, anchor in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        target = (ROOT / page).parent / path
        assert target.exists(), f"{page} links to {path}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, f"{page} links to {path}#{anchor}"


@pytest.mark.parametrize("layer", sorted({place.partition(":")[2] for place in LAYERS.values()}))
def test_each_layer_is_told_whole(layer: str) -> None:
    page = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {layer}\n")[2].partition("\n## ")[0]

    for needed in ("**When**", "**When not**", "**Order**", "efault", "**Do**", "**Don't**"):
        assert needed in section, needed
    assert SNIPPET.search(section)


def test_each_promise_of_the_cache_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "cache.md").read_text(encoding="utf-8")
    promises = re.findall(r"^\| ([A-Z].*) \| (.*) \|$", page, re.MULTILINE)

    assert len(promises) > 15
    for promise, tests in promises:
        named = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", tests)
        assert named, promise
        for test, path in named:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test


def test_the_backends_of_the_readme_are_those_that_declare_themselves() -> None:
    table = markdown(declarations())
    assert table in (ROOT / "README.md").read_text(encoding="utf-8"), "see `lamina backends`"


def test_the_page_of_failures_is_that_of_the_backends() -> None:
    page = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
    assert failures() in page, "see `lamina backends --failures`"


def test_the_figures_of_the_readme_are_those_of_the_committed_results() -> None:
    assert numbers() in (ROOT / "README.md").read_text(encoding="utf-8")
