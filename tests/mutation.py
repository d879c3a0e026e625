"""Break the pure cores one operator at a time, and see whether their tests notice.

``python tests/mutation.py [name ...]`` makes the mutants with mutmut's operators, runs the core's
tests on each, and writes docs/mutation.md; with names, only the cores whose path contains one are
run anew. Fails if a core's score is below 95 %: that is the part noticed of those mutants that
tests/survivors.toml does not give the reason for why they do the same as the original.

mutmut itself puts all mutants of a function into one file behind a switch. That slows the model
checkers down several times and changes the source that seeded mutants are made from, so each
mutant here is a module of its own, imported in a fresh child that has loaded nothing of lamina.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import re
import resource
import signal
import sys
import time
import tomllib
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

ROOT: Final = Path(__file__).parents[1]
REPORT: Final = ROOT / "docs" / "mutation.md"
LEAST: Final = 95.0
"""Per cent of the mutants of each core that its tests must kill."""
_CACHE: Final = ("test_cores_more", "test_cache", "test_cache_core")
_OLD: Final = ("test_cache_lagging", "test_cache_stale")
CORES: Final = {
    "lamina.budget": ("test_budget", "test_cores_more"),
    "lamina.layers.breaker.core": (
        *("test_cores_more", "test_breaker", "test_breaker_last", "test_breaker_core"),
    ),
    "lamina.layers.breaker.window": ("test_cores_more", "test_breaker_core", "test_breaker_model"),
    "lamina.layers.retry.core": ("test_cores_more", "test_retry_core", "test_retry"),
    "lamina.layers.limit.core": ("test_cores_more", "test_limit_core", "test_limit"),
    "lamina.bucket": ("test_cores_more", "test_rate_core", "test_throttle"),
    "lamina.layers.hedge.core": ("test_cores_more", "test_hedge_core", "test_hedge"),
    "lamina.layers.scope.tenants": ("test_scope",),
    "lamina.layers.fallback.core": ("test_fallback_core", "test_fallback"),
    "lamina.layers.shadow.core": ("test_shadow_races", "test_shadow"),
    "lamina.layers.chaos.core": ("test_chaos_core", "test_chaos"),
    "lamina.layers.batch.core": ("test_batch_core", "test_batch_calls"),
    "lamina.layers.cache.core": (*_CACHE, "test_cache_bounds", *_OLD, "test_cache_open"),
    "lamina.layers.cache.marks": (*_CACHE, "test_cache_open"),
    "lamina.layers.cache.eras": (*_CACHE, "test_cache_open"),
    "lamina.layers.cache.lags": ("test_cores_more", "test_cache_lagging"),
    "lamina.layers.cache.bounds": ("test_cores_more", *_OLD),
}
"""Each core, and the files of tests/layers that test it, the quickest first."""
OPTIONS: Final = (
    *("-x", "-q", "-p", "no:cacheprovider"),
    *("-k", "not broken and not mutant"),  # those check mutants of their own, which are the same
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is loaded once for all
)
MEMORY: Final = 4 << 30
INTRO: Final = """\
# Mutation testing of the pure cores

Written by `make mutants` (`python tests/mutation.py`; seeds are fixed, the network is not used).
Each operator, number, argument and condition of a core is changed alone, with mutmut's operators,
and the core's own tests run on it. At least 95 % of the mutants of each core must be noticed, of
those that differ from the original: why the others do the same is said beside each.

"""


@dataclass(frozen=True)
class Mutant:
    """One change: in which function, which line became which, and the whole source."""

    function: str
    before: str
    after: str
    source: str


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source; ``inspect`` still shows the original."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module = module
        self.path = path
        self.source = source

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        if fullname != self.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def place(module: str) -> Path:
    return ROOT / "src" / Path(*module.split(".")).with_suffix(".py")


def mutants(module: str) -> Iterator[Mutant]:
    """Give every mutant of the functions of *module*."""
    import libcst
    from mutmut.mutation.file_mutation import create_mutations

    code = place(module).read_text()
    tree, mutations, *_ = create_mutations(str(place(module)), code)
    for one in mutations:
        inside = one.contained_by_top_level_function
        if not isinstance(inside, libcst.FunctionDef):
            continue
        changed: Any = tree.deep_replace(one.original_node, one.mutated_node)
        lines = list(ndiff(code.splitlines(), changed.code.splitlines()))
        before = " ".join(line[2:].strip() for line in lines if line.startswith("- "))
        after = " ".join(line[2:].strip() for line in lines if line.startswith("+ "))
        yield Mutant(inside.name.value, before, after, changed.code)


def passes(module: str, source: str, limit: float) -> bool:
    """Run the tests of *module* made of *source* in a child; a hang is a failure."""
    child = os.fork()
    if child == 0:
        run_tests(module, source, limit)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)  # waitpid knows no limit of time
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def run_tests(module: str, source: str, limit: float) -> None:
    """Become the child: no output, no return, bounded memory and time."""
    import pytest

    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 1))
    sys.meta_path.insert(0, Instead(module, place(module), source))
    names = [ROOT / "tests" / "layers" / f"{name}.py" for name in CORES[module]]
    files = [str(name) for name in names if name.exists()]
    code = 1
    try:
        code = pytest.main([*OPTIONS, *files])
    finally:
        os._exit(code)


def prepare() -> None:
    """Load once what all children need, and nothing of lamina; make hypothesis repeatable."""
    os.chdir(ROOT)
    for name in ("pytest", "numpy", "tenacity", "aiobreaker", "asyncio", "unittest.mock"):
        importlib.import_module(name)
    from hypothesis import Phase, settings

    known: Any = {"derandomize": True, "database": None, "deadline": None}
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), **known)
    settings.load_profile("mutants")


def section(module: str, reasons: list[dict[str, str]]) -> tuple[str, bool]:
    """Judge one core; return its part of the report, and whether it is good enough."""
    began = time.monotonic()
    if not passes(module, place(module).read_text(), 600.0):
        msg = f"the tests of {module} fail without any mutation"
        raise SystemExit(msg)
    limit = 5.0 + 5 * (time.monotonic() - began)
    made = list(mutants(module))
    survived: list[Mutant] = []
    for number, mutant in enumerate(made, 1):
        if passes(module, mutant.source, limit):
            survived.append(mutant)
            print(f"\r{module}.{mutant.function}: {mutant.before} -> {mutant.after}")
        print(f"\r{module} {number}/{len(made)}", end="", flush=True)
    print(f"\r{module}: {len(survived)} of {len(made)} survived, {time.monotonic() - began:.0f} s")
    return told(module, len(made), survived, reasons)


def told(
    module: str, made: int, survived: Sequence[Mutant], reasons: list[dict[str, str]]
) -> tuple[str, bool]:
    why = [reason_for(module, mutant, reasons) for mutant in survived]
    same = sum(reason is not None for reason in why)
    killed = made - len(survived)
    score = 100 * killed / (made - same)
    lines = [f"## {module}", ""]
    lines += [f"{killed} of {made} mutants noticed, {same} are the same: {score:.1f} %.", ""]
    for mutant, reason in zip(survived, why, strict=True):
        lines.append(f"- `{mutant.function}`: `{mutant.before}` became `{mutant.after}`")
        lines.append(f"  - {reason or 'NOT NOTICED'}")
    return "\n".join(lines).rstrip() + "\n", score >= LEAST


def reason_for(module: str, mutant: Mutant, reasons: list[dict[str, str]]) -> str | None:
    """Return why the mutant is the same as the original, None if nobody said so."""
    known = {"module": module, "function": mutant.function, "after": mutant.after}
    found = (reason["reason"] for reason in reasons if known.items() <= reason.items())
    return next(found, None)


def write(sections: dict[str, str]) -> None:
    """Write the report, the cores in their order."""
    counts = re.compile(r"(\d+) of (\d+) mutants noticed, (\d+) are")
    table = [
        "| core | mutants | noticed | the same | score |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    sums = [0, 0, 0]
    parts = [sections[module] for module in CORES if module in sections]
    for part in parts:
        found = counts.search(part)
        if found is not None:
            numbers = [int(number) for number in found.groups()]
            sums = [one + other for one, other in zip(sums, numbers, strict=True)]
            table.append(row(part.splitlines()[0].removeprefix("## "), *numbers))
    table.append(row("all", *sums))
    REPORT.write_text(INTRO + "\n".join(table) + "\n\n" + "\n".join(parts))


def row(name: str, killed: int, made: int, same: int) -> str:
    score = 100 * killed / max(made - same, 1)
    return f"| {name} | {made} | {killed} | {same} | {score:.1f} % |"


def kept() -> dict[str, str]:
    """Return the sections of the report as it is."""
    text = REPORT.read_text() if REPORT.exists() else ""
    parts = text.split("\n## ")[1:]
    return {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in parts}


def main() -> int:
    """Run what is asked for; 1 if a core is not tested well enough."""
    prepare()
    asked = sys.argv[1:]
    reasons = tomllib.loads((ROOT / "tests" / "survivors.toml").read_text())["survivor"]
    sections = kept() if asked else {}
    good = True
    for module in CORES:
        if not asked or any(name in module for name in asked):
            sections[module], fine = section(module, reasons)
            good = good and fine
            write(sections)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
