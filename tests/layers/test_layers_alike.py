"""What holds for the code of every layer: how it cancels, where its time and state come from."""

from __future__ import annotations

import ast
import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get
from lamina.errors import CircuitOpen, Rejected, StackError, StorageError, Unavailable
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.limit import Limit
from lamina.layers.rate import Quota, Throttle
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.operation import BatchOperation, Operation
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue, run
from lamina.testing.faulty import Faulty
from lamina.testing.samples import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.layer import Layer

SOURCE: Final = Path(__file__).parents[2] / "src" / "lamina"
FILES: Final = sorted((SOURCE / "layers").rglob("*.py"))
MAY_USE: Final = {
    "layers/breaker/adapter.py": {"time", "datetime"},  # aiobreaker's errors tell local times
    "layers/cache/controls.py": {"asyncio.sleep"},  # a turn of the loop, no time
    "layers/cache/second/gens.py": {"secrets"},  # tokens that no other process may draw
    "layers/chaos/core.py": {"random"},  # a generator with a seed of its own
    "layers/chaos/layer.py": {"random"},  # the type of an option
    "layers/chaos/harm.py": {"asyncio.sleep"},  # a harm sleeps into the deadline, on purpose
    "layers/seal/": {"secrets"},  # keys and nonces, which no seed may foretell
    "layers/shadow/second.py": {"asyncio.timeout"},  # what no caller's deadline bounds
}
"""What gives time or chance beside the runtime, and why it may."""

MAY_WAIT: Final = {
    "layers/cache/writes.py",  # what it tells the second tier is owed before it waits
    "layers/hedge/race.py",  # its legs are cancelled by then, and give back by themselves
    "layers/seal/reseal.py",  # no layer: it closes the listing that it reads
}
"""Who awaits in ``finally``, and why it may."""

CLOCKS: Final = {"time", "random", "datetime", "secrets", "uuid", "sched"}
WAITS: Final = {"asyncio.sleep", "asyncio.wait_for", "asyncio.timeout", "asyncio.timeout_at"}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Give all nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node
            yield from run_nodes(node)


def clocks(source: str) -> set[str]:
    """Return what a module uses of time and chance that no runtime gave it."""
    found: set[str] = set()
    for node in run_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & CLOCKS
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & CLOCKS
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & WAITS
        elif isinstance(node, ast.Attribute):
            found |= {ast.unparse(node)} & WAITS
            if node.attr == "time" and "loop" in ast.unparse(node.value):
                found.add("loop.time")
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_c9_time_and_chance_come_from_the_runtime(path: Path) -> None:
    allowed = [uses for place, uses in MAY_USE.items() if name_of(path).startswith(place)]
    assert clocks(path.read_text()) <= set().union(*allowed)


def test_c9_another_clock_would_be_seen() -> None:
    assert clocks("import time\nfrom random import random") == {"time", "random"}
    assert clocks("async def f():\n    await asyncio.sleep(1)") == {"asyncio.sleep"}
    assert clocks("from asyncio import timeout") == {"asyncio.timeout"}
    assert clocks("now = asyncio.get_running_loop().time()") == {"loop.time"}
    assert clocks("if TYPE_CHECKING:\n    from random import Random") == set()
    assert {path for path in MAY_USE if not (SOURCE / path).exists()} == set()


def test_c9_the_same_seed_gives_the_same_story() -> None:
    assert run(story(7)) == run(story(7))
    assert run(story(7)) != run(story(8))


async def story(seed: int) -> list[tuple[float, str]]:
    """Return when calls ended and how, of a stack whose backend fails by *seed*."""
    rng = random.Random(seed)
    backend = Faulty(MemoryKeyValue(), rng, error_rate=0.5, latency=lambda rng: rng.random())
    stack = Stack(Cache(0.5), Retry(4), Breaker(min_calls=4), Timeout(0.7))
    store = stack.over(backend, runtime=Runtime(rng=rng))
    told: list[tuple[float, str]] = []
    for place in range(40):
        try:
            answer = repr(await store.get(f"k{place % 5}"))
        except StorageError as error:
            answer = str(error)
        told.append((asyncio.get_running_loop().time(), answer))
    return told


def catches(source: str) -> list[str]:
    """Return the handlers that could keep a cancellation to themselves, where one can arrive."""
    found: list[str] = []
    for node in awaited(ast.parse(source), waits=False):
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = ast.unparse(node.type) if node.type else "BaseException"
        if "BaseException" in kinds or "CancelledError" in kinds:
            raises = [one for one in ast.walk(node) if isinstance(one, ast.Raise)]
            if not any(one.exc is None for one in raises):
                found.append(f"line {node.lineno}: except {kinds}")
    return found


def awaited(tree: ast.AST, *, waits: bool) -> Iterator[ast.AST]:
    """Give all nodes inside functions that may wait; what does not wait is not cancelled."""
    for node in ast.iter_child_nodes(tree):
        inside = waits
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.AsyncFunctionDef):
            inside = isinstance(node, ast.AsyncFunctionDef)
        if inside:
            yield node
        yield from awaited(node, waits=inside)


def waits_in_finally(source: str) -> list[str]:
    """Return the awaits in ``finally``, where a second cancellation would keep permits."""
    blocks = [node.finalbody for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Try)]
    inside = [node for block in blocks for part in block for node in ast.walk(part)]
    waits = ast.Await | ast.AsyncWith | ast.AsyncFor
    return [f"line {node.lineno}" for node in inside if isinstance(node, waits)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_c5_no_layer_keeps_a_cancellation_or_waits_to_give_back(path: Path) -> None:
    assert catches(path.read_text()) == []
    assert waits_in_finally(path.read_text()) == [] or name_of(path) in MAY_WAIT


def test_c5_a_swallowed_cancellation_would_be_seen() -> None:
    keeps = "async def f():\n    try:\n        pass\n    except{}:\n        {}"
    assert catches(keeps.format(" BaseException", "pass"))
    assert catches(keeps.format(" asyncio.CancelledError as error", "raise ValueError from error"))
    assert catches(keeps.format("", "pass"))
    assert not catches(keeps.format(" BaseException", "raise"))
    assert not catches(keeps.format(" Exception", "pass"))
    assert not catches(keeps.format(" BaseException", "pass").replace("async ", ""))
    wait = "async def f():\n    try:\n        pass\n    finally:\n        await give_back()"
    assert waits_in_finally(wait)


def declared() -> list[type[Operation[Any]]]:
    """Return every operation type of the four domains."""
    found: set[type[Operation[Any]]] = set()
    todo: list[type[Operation[Any]]] = [Operation]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        ours = kind.__module__.startswith("lamina.domains")
        if ours and not kind.__dict__.get("__abstractmethods__") and kind.domain:
            found.add(kind)
    return sorted(found, key=lambda kind: (kind.domain, kind.__name__))


@pytest.mark.parametrize("op", declared(), ids=lambda op: f"{op.domain}.{op.__name__}")
def test_c8_each_operation_declares_what_it_is(op: type[Operation[Any]]) -> None:
    own = op.__dict__
    assert isinstance(own["writes"], bool)
    assert isinstance(own["idempotent"], bool)
    assert own["domain"] in {*SAMPLES, "store"}
    assert own["idempotent"] or own["writes"], "reads are idempotent"
    if issubclass(op, BatchOperation):
        assert op.writes == op.single.writes
        assert op.idempotent == op.single.idempotent


def test_c8_whoever_writes_says_whether_twice_is_as_good_as_once() -> None:
    for path in sorted((SOURCE / "domains").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "operation":
                said = {keyword.arg for keyword in node.keywords}
                assert "writes" not in said or "idempotent" in said, ast.unparse(node)


async def test_c10_state_belongs_to_one_stack_over_one_backend_unless_it_has_a_name() -> None:
    stack = Stack(Breaker(min_calls=1), Timeout(1))
    one, two = broken(stack), broken(stack)
    await fails(one, Unavailable)
    await fails(one, CircuitOpen)
    await fails(two, Unavailable)

    named = Stack(Breaker(min_calls=1, shared="both"), Timeout(1))
    three, four = broken(named), broken(named)
    await fails(three, Unavailable)
    await fails(four, CircuitOpen)

    with pytest.raises(StackError, match="'both' is shared with other options"):
        broken(Stack(Breaker(min_calls=2, shared="both"), Timeout(1)))


def broken(stack: Stack) -> Any:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable("down")).always()
    return stack.over(backend)


async def fails(store: Any, kind: type[StorageError]) -> None:
    with pytest.raises(kind) as caught:
        await store.get("a")
    assert type(caught.value).__name__ in {kind.__name__, "OpenCircuit"}


async def test_c10_a_retry_budget_belongs_to_one_stack_unless_it_has_a_name() -> None:
    def tokens(store: Any) -> float:
        left: float = store.bound.layer(Retry).status().tokens
        return left

    stack = Stack(Retry(2, base=0, budget=100))
    one, two = broken(stack), broken(stack)
    await fails(one, Unavailable)
    assert (tokens(one), tokens(two)) == (86, 100)

    named = Stack(Retry(2, base=0, budget=100, shared="paid together"))
    three, four = broken(named), broken(named)
    await fails(three, Unavailable)
    assert (tokens(three), tokens(four)) == (86, 86)


COUNTING: Final[dict[str, Callable[[str | None], Layer]]] = {
    "limit": lambda shared: Limit(1, shared=shared),
    "throttle": lambda shared: Throttle(1, per=60, shared=shared),
    "quota": lambda shared: Quota(1, per=60, shared=shared),
}


@pytest.mark.parametrize("name", list(COUNTING))
@pytest.mark.parametrize("shared", [None, "both"])
async def test_c10_places_and_tokens_belong_to_one_stack_unless_they_have_a_name(
    name: str, shared: str | None
) -> None:
    stack = Stack(COUNTING[name](shared))
    one, two = (stack.over(Faulty(MemoryKeyValue(), random.Random(1), latency=1)) for _ in "ab")
    call = asyncio.ensure_future(one.get("a"))  # takes the only one
    await asyncio.sleep(0.5)
    if shared:
        with pytest.raises(Rejected):
            await two.get("a")
    else:
        await two.get("a")
    await call


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_c10_no_module_of_a_layer_holds_what_changes(path: Path) -> None:
    """A list, dictionary or set in a module would be shared by all stacks, without a name."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
            listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            changes = isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.Call)
            typed = isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)
            made = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypeVar"
            spec = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "ParamSpec"
            assert not changes or final or listed or typed or made or spec, ast.unparse(node)
