"""What tells one call of a cached function from another."""

from __future__ import annotations

import asyncio
import enum
import functools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from lamina.caching import LocalCache, cached
from lamina.caching.keys import key_of, tagged
from lamina.context import call
from lamina.errors import DeadlineExceeded, Invalid, StackError


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Word(str):
    __slots__ = ()


@dataclass(frozen=True)
class User:
    name: str


@dataclass
class Draft:
    name: str


class Point(NamedTuple):
    x: float


class Session:
    pass


class Odd:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    def __hash__(self) -> int:
        raise RuntimeError


async def load(user: Any, /, lang: str = "de", *rest: Any, deep: bool = False, **more: Any) -> None:
    del user, lang, rest, deep, more


KEY = key_of(load)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (((1,), {}), ((1, "de"), {})),
        (((1,), {}), ((1,), {"lang": "de"})),
        (((1,), {}), ((1,), {"deep": False})),
        (((1,), {"b": 1, "a": 2}), ((1,), {"a": 2, "b": 1})),
        ((((1, ("x",)),), {}), (((1, ("x",)),), {})),
        (((frozenset({1, 2}),), {}), ((frozenset({2, 1}),), {})),
        (((User("a"),), {}), ((User("a"),), {})),
        (((uuid.UUID(int=1),), {}), ((uuid.UUID(int=1),), {})),
        (((int,), {}), ((int,), {})),
        (((float("nan"),), {}), ((float("nan"),), {})),
    ],
    ids=[
        *("default", "by-name", "keyword-only", "any-order", "tuple", "set", "value"),
        *("uuid", "class", "nan"),
    ],
)
def test_equal_arguments_are_one_call_however_they_are_given(one: Any, other: Any) -> None:
    assert KEY(*one[0], **one[1]) == KEY(*other[0], **other[1])
    assert hash(KEY(*one[0], **one[1])) == hash(KEY(*other[0], **other[1]))


DIFFERENT: Any = [
    *(1, 1.0, True, Level.LOW, "1", b"1", None, 0, 0.0, -0.0, False),
    *("a", b"a", Word("a"), (), ("a",), ("a", "a"), (("a",),), frozenset(), frozenset({"a"})),
    *((1,), (1.0,), (True,), frozenset({1}), frozenset({True}), frozenset({1.0})),
    *(Point(1), Point(1.0), Point(True), Point(2)),
    *((int, 1), (tuple, "a"), (str, "a"), (None,), ((),)),
    *(Color.RED, Color.BLUE, User("a"), User("b"), datetime(2026, 1, 1, tzinfo=UTC), int, str),
]


def test_arguments_of_different_types_are_different_calls() -> None:
    keys = [KEY(argument) for argument in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)


def test_arguments_in_different_places_are_different_calls() -> None:
    calls: Any = [
        ((1,), {}),
        ((1, "en"), {}),
        ((1, "en", "x"), {}),
        ((1, "en", "x", "y"), {}),
        ((1, "en", ("x", "y")), {}),
        ((1,), {"deep": True}),
        ((1,), {"other": True}),
        ((1,), {"other": ("deep", True)}),
        ((1,), {"user": 1}),
    ]
    assert len({KEY(*args, **kwargs) for args, kwargs in calls}) == len(calls)


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        (["a"], "a list, which cannot be hashed"),
        ({"a": 1}, "a dict, which cannot be hashed"),
        ({"a"}, "a set, which cannot be hashed"),
        (("a", ["b"]), "a list, which cannot be hashed"),
        (Draft("a"), "a Draft, which cannot be hashed"),
        (Odd(), "a Odd, which cannot be hashed"),
        (Session(), "a Session, which equals no other"),
        (lambda: None, "a function, which equals no other"),
    ],
    ids=["list", "dict", "set", "inside", "mutable", "raises", "object", "function"],
)
async def test_an_argument_that_tells_nothing_apart_asks_for_a_key(argument: Any, why: str) -> None:
    calls: list[Any] = []

    @cached(ttl=30)
    async def show(page: int, what: Any) -> None:
        calls.append((page, what))

    with pytest.raises(Invalid) as caught:
        await show(1, argument)

    assert str(caught.value).startswith("argument 'what' of test_an_argument")
    assert why in str(caught.value)
    assert "give key=" in str(caught.value)
    assert not calls


async def test_a_key_of_ones_own_makes_any_argument_good() -> None:
    calls: list[str] = []

    @cached(ttl=30, key=lambda session, name: name)
    async def show(session: Session, name: str) -> str:
        del session
        calls.append(name)
        return name.upper()

    assert await show(Session(), "a") == "A"
    assert await show(Session(), name="a") == "A"
    assert await show(Session(), "b") == "B"
    assert calls == ["a", "b"]


async def test_the_types_within_a_key_of_ones_own_count_too() -> None:
    @cached(ttl=30, key=lambda n: n)
    async def show(n: object) -> str:
        return repr(n)

    assert [await show(n) for n in (1, True, 1.0)] == ["1", "True", "1.0"]


async def test_a_key_that_cannot_be_hashed_is_refused() -> None:
    @cached(ttl=30, key=lambda n: [n])
    async def show(n: int) -> int:
        return n

    with pytest.raises(Invalid, match=r"the key of .*show\(\) is a list"):
        await show(1)


async def test_a_key_that_raises_lets_the_call_pass_and_keeps_nothing() -> None:
    calls: list[int] = []

    def key(n: int) -> str:
        raise KeyError(n)

    @cached(ttl=30, key=key)
    async def show(n: int) -> int:
        calls.append(n)
        return n

    assert [await show(1), await show(1), await show.cache.fresh(1)] == [1, 1, 1]
    assert calls == [1, 1, 1]
    assert show.cache.stats().size == 0


async def test_a_call_whose_key_cannot_be_told_ends_at_the_callers_deadline_too() -> None:
    @cached(ttl=30, key=lambda n: 1 // n)
    async def show(n: int) -> int:
        await asyncio.sleep(5)
        return n

    for ask in (show, show.cache.fresh):
        with pytest.raises(DeadlineExceeded):
            async with call(deadline=1):
                await ask(0)
    assert asyncio.get_running_loop().time() == pytest.approx(2)


async def test_wrong_arguments_are_the_functions_own_error() -> None:
    @cached(ttl=30)
    async def show(user: str, *, lang: str = "de") -> str:
        return user + lang

    loose: Any = show
    with pytest.raises(TypeError, match=r"show\(\) missing 1 required positional argument: 'user'"):
        await loose()
    with pytest.raises(TypeError, match=r"show\(\) got an unexpected keyword argument 'land'"):
        await loose("a", land="de")
    with pytest.raises(TypeError, match=r"show\(\) takes 1 positional argument but 2 were given"):
        await loose("a", "de")


class Users:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.calls = 0

    @cached(ttl=30)
    async def plain(self, name: str) -> str:
        return self.prefix + name

    @cached(ttl=30, key=lambda self, name: (self.prefix, name))
    async def keyed(self, name: str) -> str:
        self.calls += 1
        return self.prefix + name

    @staticmethod
    @cached(ttl=30)
    async def static(name: str) -> str:
        return name

    @classmethod
    @cached(ttl=30)
    async def of_class(cls, name: str) -> str:
        return cls.__name__ + name


async def test_a_method_needs_a_key_unless_its_object_is_a_value() -> None:
    with pytest.raises(Invalid, match=r"argument 'self' of Users.plain\(\) is a Users"):
        await Users("x").plain("a")

    one, same = Users("x"), Users("x")
    assert [await one.keyed("a"), await same.keyed("a"), await Users("y").keyed("a")] == [
        *("xa", "xa", "ya"),
    ]
    assert (one.calls, same.calls) == (1, 0)
    assert await Users.static("a") == "a"
    assert await Users.of_class("a") == "Usersa"
    Users.keyed.cache.invalidate(one, "a")
    assert await same.keyed("a") == "xa"
    assert same.calls == 1


def test_it_looks_as_the_function_it_keeps() -> None:
    @cached(ttl=30)
    async def show(user: str, *, lang: str = "de") -> str:
        """Show it."""
        return user + lang

    assert asyncio.iscoroutinefunction(show)
    assert (show.__name__, show.__doc__) == ("show", "Show it.")


async def test_partials_and_objects_with_an_async_call_can_be_kept() -> None:
    class Shows:
        async def __call__(self, name: str) -> str:
            return name.upper()

    async def show(lang: str, name: str) -> str:
        return lang + name

    assert await cached(ttl=30)(Shows())("a") == "A"
    assert await cached(ttl=30)(functools.partial(show, "de"))("a") == "dea"


@pytest.mark.parametrize(
    "given",
    [print, lambda: 1, 30, None, Session],
    ids=["builtin", "function", "number", "none", "class"],
)
def test_what_is_not_async_is_refused(given: Any) -> None:
    with pytest.raises(StackError, match="only async functions"):
        cached(ttl=30)(given)


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_a_method_that_is_bound_too_late_is_told_where_to_write_it(kind: Any) -> None:
    with pytest.raises(StackError, match=f"below @{kind.__name__}, not above"):
        cached(ttl=30)(kind(_no))


async def test_below_staticmethod_and_classmethod_it_is_as_they_are() -> None:
    class Words:
        @staticmethod
        @cached(ttl=30)
        async def loud(word: str) -> str:
            return word.upper()

        @classmethod
        @cached(ttl=30)
        async def own(cls, word: str) -> str:
            return cls.__name__ + word

    class More(Words):
        pass

    assert [await Words.loud("a"), await Words().loud("a")] == ["A", "A"]
    assert [await Words.own("a"), await More.own("a")] == ["Wordsa", "Morea"]
    assert Words.loud.cache.stats().hits == 1


def test_without_brackets_it_says_how_to_write_it() -> None:
    loose: Any = cached
    with pytest.raises(StackError, match=r"write @cached\(\) or"):
        loose(_no)


async def test_an_argument_may_have_any_name() -> None:
    @cached(ttl=30, tags=lambda self, **_: (self,))
    async def show(self: str, *, otherwise: str = "") -> str:
        return self + otherwise

    assert await show(self="a", otherwise="b") == "ab"
    assert show.cache.explain(self="a", otherwise="b").cached
    show.cache.invalidate(self="a", otherwise="b")
    assert not show.cache.explain(self="a", otherwise="b").cached
    assert await show.cache.fresh(self="a", otherwise="b") == "ab"


def test_an_async_generator_is_refused() -> None:
    async def numbers() -> Any:
        yield 1

    loose: Any = numbers
    with pytest.raises(StackError, match="only async functions"):
        cached(ttl=30)(loose)


async def _no(*_: Any) -> str:
    return ""


@pytest.mark.parametrize("option", ["key", "tags"])
@pytest.mark.parametrize("given", [1, "a", _no], ids=["number", "text", "async"])
def test_a_key_that_is_no_plain_function_is_refused(option: str, given: Any) -> None:
    with pytest.raises(StackError, match=f"{option} must be a function that is not async"):
        cached(ttl=30, **{option: given})


WRONG: Any = {
    "ttl": [0, -1, float("nan"), float("inf"), True, "1", None, []],
    "max_entries": [0, 1.5, True, None],
    "max_bytes": [0, "1", float("inf")],
    "jitter": [-0.1, 1, None],
    "negative_ttl": [0, 31, float("nan"), "1"],
    "stale_while_revalidate": [-1, float("inf"), None],
    "stale_if_error": [-1, float("nan"), True],
    "idle": [0, -1, "1"],
    "passing": [ValueError, (1,), [ValueError], None, (BaseException,)],
}


@pytest.mark.parametrize(
    ("option", "given"),
    [(option, given) for option, several in WRONG.items() for given in several],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused_by_name(option: str, given: Any) -> None:
    with pytest.raises(StackError, match=option):
        LocalCache(**{option: given})
    with pytest.raises(StackError, match=option):
        cached(**{option: given})


def test_a_shared_value_is_tagged_by_its_type_in_every_depth() -> None:
    assert tagged((1, (True, frozenset({1.0})))) != tagged((1, (1, frozenset({1}))))
