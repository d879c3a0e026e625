"""The shape of the code: what may import what, how large things are, what must be told of them."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import pytest

import lamina
from lamina.backend import Backend
from lamina.layer import Layer

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src" / "lamina"
FILES: Final = sorted(SOURCE.rglob("*.py"))

ORDER: Final = (
    {"errors"},
    {
        *("values", "context", "copies", "threads", "plan", "options", "hooks"),
        *("budget", "bucket", "timers"),
    },
    {"filters", "blocking", "once"},
    {"fields"},
    {"operation"},
    {"runtime", "explained"},
    {"capabilities", "gate", "batches"},
    {"bound"},
    {"backend"},
    {"site"},
    {"layer"},
    {"rules"},
    {"stack"},
    {"domains"},
    {"index", "embed"},
    {"backends"},
    {"config", "caching"},
    {"storage"},
    {""},  # lamina itself, which names everything lazily
    {"bot"},
    {"cli"},
)
"""Each may import what stands before it, types too."""

LAYERS_MAY: Final = (
    *("errors", "values", "context", "threads", "plan", "filters", "fields", "operation"),
    *("runtime", "capabilities", "site", "layer"),
    *("options", "hooks", "budget", "bucket", "timers", "once", "batches"),
)
CODECS: Final = {
    *(("seal", "codecs"), ("seal", "media"), ("seal", "vectors"), ("seal", "reseal")),
    ("squeeze", "codecs"),
}
"""Of the layers only these import domains: they say what becomes of each operation's content."""
DOMAINS_SHARE: Final = {"store", "lists", "prefixes", "words", "coded"}
BACKENDS_SHARE: Final = {
    ("files", "sqlite"),  # the index of its files is such a database
    ("supabase", "postgres"),  # its tables are that one's, behind another door
}
BACKENDS_USE: Final = {"failures", "http", "names", "network"}

IMPORT_LAMINA_LOADS: Final = {"lamina"}
USING_A_STACK_LOADS: Final = {
    *("lamina", "lamina.errors", "lamina.values", "lamina.filters", "lamina.fields"),
    *("lamina.operation", "lamina.context", "lamina.runtime", "lamina.capabilities"),
    *(
        "lamina.plan",
        "lamina.explained",
        "lamina.bound",
        "lamina.backend",
        "lamina.site",
        "lamina.layer",
    ),
    *("lamina.rules", "lamina.rules.places", "lamina.rules.refused", "lamina.rules.warned"),
    *("lamina.rules.orders", "lamina.rules.options"),
    *("lamina.batches", "lamina.stack", "lamina.budget", "lamina.gate"),
    *("lamina.values.answers", "lamina.values.checks", "lamina.values.frozen"),
    *("lamina.values.vectors", "lamina.filters.language", "lamina.filters.nodes"),
}
HEAVY: Final = {
    *("sqlite3", "numpy", "tenacity", "aiobreaker", "redis", "structlog", "pydantic", "httpx"),
    *("cachetools", "tokenizers", "wordllama", "rich", "pypdf", "pytest", "hypothesis"),
    *("asyncpg", "aioboto3", "aiobotocore", "aiohttp", "botocore", "supabase", "upstash_vector"),
    "cryptography",
}


def named(path: Path) -> tuple[str, ...]:
    """Return the module's name without the package, in parts."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path: Path) -> list[tuple[str, ...]]:
    """Return what of lamina the file imports, also for types and inside functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "lamina":
            for alias in node.names:
                inner = (SOURCE / alias.name).exists() or (SOURCE / f"{alias.name}.py").exists()
                found.append(f"lamina.{alias.name}" if inner else "lamina")
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [tuple(name.split(".")[1:]) for name in found if name.split(".")[0] == "lamina"]


def head(name: tuple[str, ...]) -> str:
    return name[0] if name else ""


def rank(unit: str) -> int:
    return next(place for place, units in enumerate(ORDER) if unit in units)


def wrong(importer: tuple[str, ...], target: tuple[str, ...]) -> bool:
    here, there = head(importer), head(target)
    if here == there:
        return here in {"layers", "domains", "backends"} and not neighbours(importer, target)
    if here == "testing":
        return there in {"bot", "cli"}
    if here == "layers":
        may = {*LAYERS_MAY, "domains"} if importer[1:] in CODECS else LAYERS_MAY
        return there not in may
    if there == "layers":
        return rank(here) <= rank("backends")
    if there == "testing":
        return here != "cli"  # `lamina dev` runs the servers for tests
    return rank(there) >= rank(here)


def neighbours(importer: tuple[str, ...], target: tuple[str, ...]) -> bool:
    """Tell whether one layer, domain or backend may import from the other."""
    if importer[1:2] == target[1:2]:
        return True
    if importer[0] == "domains":
        return target[1] in DOMAINS_SHARE
    if target[1] in BACKENDS_USE:
        return importer[0] == "backends"
    return importer[0] == "backends" and (importer[1], target[1]) in BACKENDS_SHARE


def public(package: str, base: type[Any]) -> dict[str, type[Any]]:
    """Return the public classes of a package that derive from *base*, by name."""
    home = import_module(package)
    found: dict[str, type[Any]] = {}
    for info in walk_packages(home.__path__, f"{package}."):
        for name, value in vars(import_module(info.name)).items():
            if inspect.isclass(value) and issubclass(value, base) and not name.startswith("_"):
                mine = value.__module__.startswith(package) and not inspect.isabstract(value)
                if mine and value.__name__ == name:
                    found[name] = value
    return found


LAYERS: Final = {
    name: layer
    for name, layer in public("lamina.layers", Layer).items()
    if getattr(layer, "slot", "attempt-metrics") != "attempt-metrics"
}
BACKENDS: Final = public("lamina.backends", Backend)
SHARED_HOMES: Final = {"rate": {"Quota", "Throttle"}}  # the same bucket and line, in two slots


@pytest.mark.parametrize("path", FILES, ids=lambda path: ".".join(named(path)) or "lamina")
def test_imports_point_one_way(path: Path) -> None:
    name = named(path)
    found = {".".join(target) for target in imported(path) if wrong(name, target)}
    assert not found, f"{'.'.join(name)} must not import {sorted(found)}"


def test_an_import_the_wrong_way_would_be_seen() -> None:
    assert wrong(("values",), ("operation",))
    assert wrong(("layers", "cache", "core"), ("domains", "keyvalue"))
    assert wrong(("layers", "cache", "core"), ("layers", "retry"))
    assert wrong(("layers", "log"), ("backends", "memory"))
    assert wrong(("layers", "seal", "layer"), ("domains", "media"))
    assert not wrong(("layers", "seal", "media"), ("domains", "media"))
    assert wrong(("layers", "squeeze", "codecs"), ("layers", "seal", "codecs"))
    assert wrong(("stack",), ("layers", "cache"))
    assert wrong(("backends", "memory"), ("layers", "cache"))
    assert wrong(("storage",), ("bot",))
    assert wrong(("bot", "chat"), ("cli",))
    assert wrong(("stack",), ("testing", "clock"))
    assert wrong(("testing", "faulty"), ("bot",))
    assert wrong(("domains", "media"), ("domains", "keyvalue"))
    assert wrong(("operation",), ())


def test_every_module_has_its_place() -> None:
    placed = {*(unit for units in ORDER for unit in units), "layers", "testing"}
    assert {head(named(path)) for path in FILES} <= placed


@pytest.mark.parametrize("path", FILES, ids=lambda path: ".".join(named(path)) or "lamina")
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    most = 120 if is_a_layers_own(path) else 250
    lines = len(text.splitlines())
    assert lines <= most, f"{lines} lines, at most {most}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert length(node) <= 30, f"{node.name} has {length(node)} lines, at most 30"


def is_a_layers_own(path: Path) -> bool:
    parts = named(path)
    return parts[:1] == ("layers",) and (len(parts) == 2 or parts[-1] == "layer")


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's body, without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    last = node.end_lineno or node.lineno
    return last - body[0].lineno + 1 if body else 0


def test_each_layer_has_a_file_or_package_of_its_own() -> None:
    homes = {name: layer.__module__.split(".")[2] for name, layer in LAYERS.items()}
    own = {name: home for name, home in homes.items() if home not in SHARED_HOMES}
    assert list(own.values()) == [name.lower() for name in own]
    for shared, names in SHARED_HOMES.items():
        assert {name for name, home in homes.items() if home == shared} == names
    on_disk = {path.stem for path in (SOURCE / "layers").iterdir() if path.stem[0] != "_"}
    assert on_disk == set(homes.values())


@pytest.mark.parametrize("name", [*LAYERS, *BACKENDS])
def test_layers_and_backends_are_exported(name: str) -> None:
    assert name in lamina.__all__
    assert getattr(lamina, name) is {**LAYERS, **BACKENDS}[name]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_documented(name: str) -> None:
    page = (ROOT / "docs" / "layers.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert any(name in line for line in headings)
    assert name in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_are_documented(name: str) -> None:
    assert name in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [*LAYERS, *BACKENDS])
def test_layers_and_backends_are_under_their_conformance_suite(name: str) -> None:
    suites = [path.read_text() for path in (ROOT / "tests" / "conformance").glob("test_*.py")]
    method = "layer" if name in LAYERS else "backend"
    assert any(f"def {method}(self) -> {name}:" in suite for suite in suites)


def test_every_public_name_is_found_where_it_is_said_to_be() -> None:
    for name in lamina.__all__:
        assert getattr(lamina, name) is not None, name
    assert sorted(lamina.__all__) == lamina.__all__
    assert set(lamina.__all__) <= set(dir(lamina))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lamina.no_such_name  # type: ignore[attr-defined]


def loaded(code: str) -> set[str]:
    """Run *code* in a new interpreter; return the modules that it loaded."""
    script = f"import asyncio, json, sys\nbefore = set(sys.modules)\n{code}\n"
    script += "print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "lamina"}


def test_import_lamina_loads_next_to_nothing() -> None:
    modules = loaded("import lamina")
    assert ours(modules) == IMPORT_LAMINA_LOADS
    assert not {name.split(".")[0] for name in modules} & HEAVY


def test_a_stack_loads_the_core_only() -> None:
    modules = loaded("import lamina; lamina.Stack()")
    assert ours(modules) <= USING_A_STACK_LOADS
    assert not {name.split(".")[0] for name in modules} & HEAVY


def test_the_test_kit_loads_no_test_runner() -> None:
    modules = loaded("import lamina.testing; lamina.testing.ScriptedKeyValue, lamina.testing.sweep")
    assert not {name.split(".")[0] for name in modules} & (HEAVY - {"numpy"})


@pytest.mark.parametrize(
    "name", ["MemoryKeyValue", "MemoryDocuments", "MemoryMedia", "Retry", "Metrics", "KeyValue"]
)
def test_what_is_heavy_loads_only_where_it_is_needed(name: str) -> None:
    modules = {module.split(".")[0] for module in loaded(f"import lamina; lamina.{name}")}
    assert not modules & (HEAVY - {"tenacity"})
