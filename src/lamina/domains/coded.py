"""How a domain's operations pass a codec, which stores content in another form than it is given."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeAlias, TypeVar, cast

from lamina.capabilities import Capabilities, Serves
from lamina.domains.store import Check
from lamina.errors import Corrupt
from lamina.fields import shown
from lamina.plan import Worst
from lamina.threads import OneThread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from lamina.operation import Handler, Operation
    from lamina.site import Site

T = TypeVar("T")
C = TypeVar("C", bound="Codec")
_Make = TypeVar("_Make", bound="Callable[[Any, Any], Any]")
Place: TypeAlias = tuple[str, ...]
"""Where content is stored: the domain, the scope, the key; none of them has a NUL."""

_MARK: Final = "_lamina_codes"


class Codec(Protocol):
    """Gives content another form and back; pure, so that a thread may do it."""

    @property
    def layer(self) -> str:
        """The layer's name, for its errors."""
        ...

    def encode(self, data: bytes, place: Place, notes: bytes = b"") -> bytes:
        """Return what to store in *place* for *data*; *notes* (to 65,535 bytes) go with it."""
        ...

    def decode(self, stored: bytes, place: Place, /) -> tuple[bytes, bytes]:
        """Return data and notes.

        Raises:
            Corrupt: It is nothing that was encoded for that place.
        """
        ...

    def encode_text(self, text: str, place: Place) -> str:
        """Return the text to store in *place* for *text*."""
        ...

    def decode_text(self, stored: str, *places: Place) -> str:
        """Return the text that was encoded for one of *places*.

        Raises:
            Corrupt: It is nothing that was encoded for one of them.
        """
        ...

    def weight(self, stored: bytes | str) -> int:
        """Return how many bytes decoding will handle."""
        ...


@contextmanager
def within(name: str) -> Generator[None, None, None]:
    """Note on what is ``Corrupt`` which item of a listing it is."""
    try:
        yield
    except Corrupt as error:
        error.add_note(f"it is {shown(name)}")
        raise


def paired(keys: Sequence[str], told: Sequence[T], layer: str) -> Iterable[tuple[str, T]]:
    """Return each of *keys* with what was *told* of it.

    Raises:
        Corrupt: More or fewer were told of.
    """
    if len(told) != len(keys):
        msg = f"{len(keys)} were asked for and {len(told)} answered"
        raise Corrupt(msg, layer=layer)
    return zip(keys, told, strict=True)


class Worker:
    """Does light work at once, and work on more than *light* bytes in one thread."""

    def __init__(self, name: str, light: int) -> None:
        self.light = light
        self._thread = OneThread(name)

    async def run(self, weight: int, work: Callable[..., T], *args: Any) -> T:
        """Return what *work* returns."""
        if weight <= self.light:
            return work(*args)
        return await self._thread.run(work, *args)

    async def close(self) -> None:
        """Wait for the jobs that were asked for; refuse others."""
        await self._thread.close()


@dataclass(frozen=True, slots=True)
class _Way:
    name: str
    needs: tuple[type[Operation[Any]], ...]
    loses: frozenset[str]
    gains: frozenset[str]
    most: int
    waits: bool


def codes(
    op: type[Operation[Any]],
    *needs: type[Operation[Any]],
    loses: tuple[str, ...] = (),
    gains: tuple[str, ...] = (),
    most: int = 1,
    waits: bool = False,
) -> Callable[[_Make], _Make]:
    """Mark the method that makes the handler of *op* around the one below.

    It is served only where what it *needs* is served below, without the features it *loses*. It
    sends *most* operations at the most, and *waits* between them.
    """

    def mark(method: _Make) -> _Make:
        name = getattr(method, "__name__", "")
        way = _Way(name, needs, frozenset(loses), frozenset(gains), most, waits)
        setattr(method, _MARK, (op, way))
        return method

    return mark


class Coded(Generic[C]):
    """One domain through one codec; an operation that is in neither table is not served.

    *clear* are those that neither carry nor answer content; the others have a marked method.
    """

    clear: ClassVar[frozenset[type[Operation[Any]]]] = frozenset({Check})
    _ways: ClassVar[dict[type[Operation[Any]], _Way]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._ways = dict(
            getattr(getattr(cls, name), _MARK)
            for name in dir(cls)
            if hasattr(getattr(cls, name), _MARK)
        )

    def __init__(self, codec: C, worker: Worker, site: Site) -> None:
        self._codec = codec
        self._worker = worker
        self._site = site

    @classmethod
    def codes(cls, op: type[Operation[Any]]) -> bool:
        """Tell whether *op* carries or answers content that is encoded."""
        return op in cls._ways

    @classmethod
    def worst(cls, op: type[Operation[Any]], below: Worst) -> Worst:
        """Return the worst case of one *op*, which is encoded, given that below."""
        way = cls._ways[op]
        seconds = None if way.waits or below.seconds is None else below.seconds * way.most
        return Worst(below.attempts * way.most, seconds)

    @classmethod
    def serves(cls, op: type[Operation[Any]], below: Capabilities) -> Serves | None:
        """Return how *op*, which is served *below*, is served; None if it is not."""
        if op in cls.clear:
            return below[op]
        way = cls._ways.get(op)
        if way is None or not all(need in below for need in way.needs):
            return None
        return Serves((below[op].features - way.loses) | way.gains, below[op].limits)

    def handler(self, op: type[Operation[Any]], inner: Handler[Any, Any]) -> Handler[Any, Any]:
        """Return what answers *op* around *inner*."""
        return cast("Handler[Any, Any]", getattr(self, self._ways[op].name)(inner))

    def _below(self, op: type[Operation[Any]]) -> Handler[Any, Any]:
        return self._site.bind_below(op)


class Domains(Generic[C]):
    """All domains through one codec; *others* says whether domains without a way pass as they are.

    Work on more than *light* bytes goes to a thread.
    """

    name: ClassVar[str]
    light: ClassVar[int]
    others: ClassVar[bool] = False

    def __init__(self, codec: C, site: Site) -> None:
        self._codec = codec
        self._site = site
        self._worker = Worker(self.name, self.light)
        self._made: dict[str, Coded[C]] = {}

    @classmethod
    def way(cls, domain: str) -> type[Coded[C]] | None:
        """Return how the operations of *domain* pass, None if they have no way."""
        raise NotImplementedError

    @classmethod
    def codes(cls, op: type[Operation[Any]]) -> bool:
        """Tell whether *op* carries or answers content that is encoded."""
        way = cls.way(op.domain)
        return way is not None and way.codes(op)

    @classmethod
    def worst(cls, op: type[Operation[Any]], below: Worst) -> Worst:
        """Return the worst case of one *op*, which is encoded, given that below."""
        way = cls.way(op.domain)
        return below if way is None else way.worst(op, below)

    @classmethod
    def serves(cls, below: Capabilities) -> Capabilities:
        """Return what of *below* is served."""
        left: dict[type[Operation[Any]], Serves] = {}
        for op in below:
            way = Coded if op is Check else cls.way(op.domain)
            unchanged = below[op] if cls.others else None
            how = unchanged if way is None else way.serves(op, below)
            if how is not None:
                left[op] = how
        return Capabilities(left)

    def handler(self, op: type[Operation[Any]], inner: Handler[Any, Any]) -> Handler[Any, Any]:
        """Return what answers *op*, which is encoded, around *inner*."""
        made, way = self._made.get(op.domain), self.way(op.domain)
        if made is None and way is not None:
            made = self._made[op.domain] = way(self._codec, self._worker, self._site)
        return inner if made is None else made.handler(op, inner)

    async def close(self) -> None:
        """Wait for the work under way."""
        await self._worker.close()
