"""Stacks: data that refuses a wrong order, and layers that keep to themselves."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lamina.capabilities import Capabilities, Serves
from lamina.domains.keyvalue import Delete, Get, GetMany, Set
from lamina.errors import StackError, Unsupported
from lamina.layer import SLOTS, Layer
from lamina.plan import Worst
from lamina.site import Site
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, Operation, R


class Plain(Layer):
    """Counts what passes."""

    slot: ClassVar[str] = "log"

    def __init__(self, name: str = "", *, shared: str | None = None) -> None:
        self.name = name
        self.shared = shared

    def setup(self, site: Site) -> None:
        self.passed: list[str] = []
        self.site = site

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        self.passed.append(type(op).__name__)
        return await inner(op)


def of(slot: str, name: str = "", *, shared: str | None = None) -> Plain:
    made: Any = type(slot.title(), (Plain,), {"slot": slot})
    layer = made(name, shared=shared)
    assert isinstance(layer, Plain)
    return layer


class Reads(Plain):
    slot = "metrics"

    def wants(self, op: type[Operation[Any]]) -> bool:
        return not op.writes


class ReadOnly(Plain):
    slot = "readonly"

    def serves(self, below: Capabilities) -> Capabilities:
        return below.without(lambda op: op.writes)


class Twice(Plain):
    slot = "retry"
    repeats = True

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        return Worst(below.attempts * 2, None if below.seconds is None else below.seconds * 2)


class Halved(Plain):
    slot = "trace"

    def attempt_half(self) -> Layer:
        return of("attempt-metrics")


def test_refuses_a_wrong_order_unless_it_is_allowed_for_a_reason() -> None:
    wrong = of("log", "one"), of("log", "two")
    with pytest.raises(StackError, match=r"E00: Log\('one'\) and Log\('two'\)"):
        Stack(*wrong)
    assert Stack(*wrong, allow={"E00": "two readers"}).layers == wrong


def test_refuses_an_unknown_rule_and_an_unknown_slot() -> None:
    with pytest.raises(StackError, match="allow names a rule"):
        Stack(allow={"E77": "why not"})
    with pytest.raises(StackError, match="has no slot of"):
        Stack(of("nowhere"))
    with pytest.raises(StackError, match="has no slot of"):
        Stack(Layer())


def test_orders_layers_by_their_slots() -> None:
    layers = [of(slot) for slot in SLOTS]
    stack = Stack.ordered(*reversed(layers))
    assert [layer.slot for layer in stack.layers] == list(SLOTS)
    with pytest.raises(StackError, match="E00"):
        Stack.ordered(of("log"), of("cache"), of("log"))


def test_is_data_that_compares_and_prints() -> None:
    one, same = Stack(Plain("a")), Stack(Plain("a"))
    assert one == same
    assert one != Stack(Plain("b"))
    assert one != Stack()
    assert one != Stack(Plain("a"), allow={"E00": "measured"})
    assert repr(Stack(Plain("a", shared="s"), Reads())) == "Stack(Plain('a', shared='s'), Reads())"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


async def test_passes_an_operation_outermost_first() -> None:
    order: list[str] = []

    class Noted(Plain):
        slot = "cache"

        async def around(self, op: Op, inner: Handler[Op, R]) -> R:
            order.append(self.name)
            return await inner(op)

    class Inner(Noted):
        slot = "retry"

    backend = ScriptedKeyValue()
    backend.expect(Get("a")).returns(b"1")
    store = Stack(Noted("outer"), Inner("inner")).over(backend)
    assert await store.get("a") == b"1"
    assert order == ["outer", "inner"]


def test_leaves_an_unwanted_operation_the_same_handler() -> None:
    seen: dict[type[Any], object] = {}

    class Outer(Plain):
        slot = "metrics"

        def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
            seen[op] = inner
            return inner

    class Inner(Reads):
        slot = "log"

    backend = ScriptedKeyValue()
    store = Stack(Outer(), Inner()).over(backend)
    store.bound.handler(Set)
    store.bound.handler(Get)
    assert seen[Set] is backend.handler(Set)
    assert seen[Get] is not backend.handler(Get)


async def test_gives_each_backend_layers_of_its_own() -> None:
    layer = Plain()
    stack = Stack(layer)
    first, second = ScriptedKeyValue(), ScriptedKeyValue()
    first.expect(Get("a")).returns(b"1")
    second.expect(Get("a")).returns(b"2")
    one, two = stack.over(first), stack.over(second)
    assert await one.get("a") == b"1"
    assert await two.get("a") == b"2"
    made = one.bound.layer(Plain)
    other = two.bound.layer(Plain)
    assert made is not None
    assert other is not None
    assert made is not other
    assert made.passed == other.passed == ["Get"]
    assert not hasattr(layer, "passed")
    assert one.bound.runtime is not two.bound.runtime


async def test_takes_away_what_a_layer_does_not_serve() -> None:
    backend = ScriptedKeyValue()
    store = Stack(ReadOnly()).over(backend)
    with pytest.raises(Unsupported, match=r"Set is taken away by ReadOnly\(\)") as caught:
        await store.set("a", b"1")
    assert caught.value.sent == "no"
    assert backend.calls == []
    assert Set not in store.bound.capabilities
    assert Get in store.bound.capabilities


async def test_says_what_is_served_when_something_is_not() -> None:
    store = Stack().over(ScriptedKeyValue(without=(Delete,)))
    with pytest.raises(Unsupported, match=r"Delete is not served; it serves .*Get") as caught:
        await store.delete("a")
    assert caught.value.brief is not None
    assert caught.value.brief.operation == "Delete"


def test_folds_capabilities_from_the_inside_out() -> None:
    folded: list[int] = []

    class Counts(Plain):
        slot = "metrics"

        def serves(self, below: Capabilities) -> Capabilities:
            folded.append(len(below))
            return below

    backend = ScriptedKeyValue()
    served = len(backend.capabilities())
    writes = sum(op.writes for op in backend.capabilities())
    Stack(Counts(), ReadOnly()).over(backend)
    assert folded == [served - writes]


def test_a_layer_sees_what_stands_below_it() -> None:
    found: dict[str, object] = {}

    class Looks(Plain):
        slot = "log"

        def setup(self, site: Site) -> None:
            found["set"] = site.below(Set)
            found["get"] = site.below(Get)
            found["backend"] = site.backend

    Stack(Looks(), ReadOnly()).over(ScriptedKeyValue())
    assert found["set"] is None
    assert callable(found["get"])
    assert found["backend"] == "scripted"


def test_state_is_shared_only_by_name_and_with_equal_options() -> None:
    class Shares(Plain):
        slot = "breaker"

        def setup(self, site: Site) -> None:
            if self.shared:
                self.state = site.shared("test", self.shared, self.options(), list)

    def state(store: Any) -> object:
        return store.bound.layer(Shares).state

    one = Stack(Shares("a", shared="one")).over(ScriptedKeyValue())
    same = Stack(Shares("a", shared="one")).over(ScriptedKeyValue())
    other = Stack(Shares("a", shared="other")).over(ScriptedKeyValue())
    assert state(one) is state(same)
    assert state(one) is not state(other)
    with pytest.raises(StackError, match="shared with other options"):
        Stack(Shares("b", shared="one")).over(ScriptedKeyValue())


def test_a_shared_state_ends_with_the_last_stack_that_uses_it() -> None:
    runtime = Stack().over(ScriptedKeyValue()).bound.runtime
    site = Site("backend", Capabilities({}), runtime, lambda op: ScriptedKeyValue().handler(op))
    assert site.shared("test", "short", 1, list) == []
    with pytest.raises(StackError):
        site.shared("test", "short", 2, list)
    del runtime, site
    gc.collect()
    runtime = Stack().over(ScriptedKeyValue()).bound.runtime
    site = Site("backend", Capabilities({}), runtime, lambda op: ScriptedKeyValue().handler(op))
    assert site.shared("test", "short", 2, list) == []


def test_attempt_halves_stand_only_where_calls_may_repeat() -> None:
    def slots(*layers: Layer) -> list[str]:
        plan = Stack(*layers).over(ScriptedKeyValue()).bound.plan()
        return [layer.slot for layer in plan.layers]

    assert slots(Halved(), of("timeout")) == ["trace", "timeout"]
    assert slots(Halved(), Twice(), of("timeout")) == [
        "trace",
        "retry",
        "timeout",
        "attempt-metrics",
    ]


def test_plan_tells_layers_worst_cases_and_losses() -> None:
    plan = Stack(Reads(), ReadOnly(), Twice()).over(ScriptedKeyValue()).bound.plan()
    get = next(op for op in plan.operations if op.operation == "Get")
    assert get.slots == ("metrics", "readonly", "retry")
    assert get.worst == Worst(2, None)
    assert plan.amplification == 2
    assert {(lost.operation, lost.layer) for lost in plan.lost} >= {("Set", "ReadOnly()")}


def test_capabilities_tell_features_and_limits() -> None:
    served = Capabilities({Get: Serves(frozenset({"fast"}), {"size": 10}), Set: Serves()})
    assert served.offers(Get, "fast")
    assert not served.offers(Set, "fast")
    assert not served.offers(GetMany, "fast")
    assert served[Get].limits["size"] == 10
    assert set(served.without(lambda op: op.writes)) == {Get}
    limits: Any = served[Get].limits
    with pytest.raises(TypeError):
        limits["size"] = 11


def test_a_layer_that_only_looks_may_be_a_plain_function() -> None:
    class Looks(Plain):
        def around(self, op: Op, inner: Handler[Op, R]) -> Coroutine[Any, Any, R]:
            self.passed.append(type(op).__name__)
            return inner(op)

    backend = ScriptedKeyValue()
    store = Stack(Looks()).over(backend)
    coroutine = store.bound.handler(Get)(Get("a"))
    coroutine.close()


class Stubborn(Layer):
    """Cannot be closed."""

    slot = "log"

    def around(self, op: Op, inner: Handler[Op, R]) -> Coroutine[Any, Any, R]:
        return inner(op)

    async def close(self) -> None:
        msg = "stuck"
        raise RuntimeError(msg)


class Tidy(Stubborn):
    """Notes that it was closed."""

    slot = "chaos"
    closed: ClassVar[list[str]] = []

    async def close(self) -> None:
        self.closed.append("layer")


async def test_a_layer_that_cannot_be_closed_leaves_nothing_else_open() -> None:
    backend = ScriptedKeyValue()
    store = Stack(Stubborn(), Tidy()).over(backend)

    with pytest.raises(RuntimeError, match="stuck"):
        await store.close()

    assert Tidy.closed == ["layer"]
    assert backend.closed
