"""The settings of one store turned into a stack and a way to make its backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.config.checked import checked
from lamina.config.options import BackendOptions, Options, Told, is_told
from lamina.config.problems import nearest, unknown
from lamina.config.registry import BACKENDS, LAYERS, layer, layer_options, others
from lamina.config.settings import Elsewhere, Section
from lamina.errors import StackError
from lamina.rules import check
from lamina.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lamina.backend import Backend
    from lamina.config.merged import Merged
    from lamina.config.problems import Problems
    from lamina.config.registry import Other, Row
    from lamina.layer import Layer

_OWN: Final = ("backend", "layers")


class _Required(Options):
    required: bool = False


@final
class SectionReader:
    """Reads what is told at *path*: a domain, or another store that a layer of it uses.

    The other store is of the same domain unless *domain* says of which. It has its data in a
    folder of its own, and where it names no layers the domain's timeout. What is wrong is noted,
    and then there is no section.
    """

    def __init__(
        self,
        path: tuple[str, ...],
        merged: Merged,
        home: Path,
        problems: Problems,
        domain: str | None = None,
    ) -> None:
        self._path = path
        self._domain = domain or path[0]
        self._merged = merged
        self._home_of_all = home
        apart = path[:1] if self._domain != path[0] else ()
        self._home = home.joinpath(*apart, *path[1::2])  # the names of the layers between
        self._problems = problems
        self._tree = merged.table(path)
        self._own: tuple[str, ...] = (*_OWN, "required") if len(path) == 1 else _OWN
        timeout = merged.table(path[:1]).get("timeout")
        if len(path) > 1 and timeout is not None and not {"layers", "timeout"} & set(self._tree):
            self._tree["timeout"] = timeout

    def read(self) -> Section | None:
        """Return the section, None if something about it is wrong."""
        before = len(self._problems)
        required = "required" in self._own and self._required()
        stack = self._stack()
        row = self._row()
        make = None if row is None else self._maker(row)
        if len(self._problems) > before or make is None or stack is None:
            return None
        return Section(self._domain, self._tree["backend"], required, stack, make)

    def _required(self) -> bool:
        told = {"required": self._tree["required"]} if "required" in self._tree else {}
        made = checked(_Required, told, self._path, self._merged, self._problems)
        return made is not None and made.required

    def _row(self) -> Row | None:
        rows = BACKENDS[self._domain]
        name = self._tree.get("backend")
        if isinstance(name, str) and name in rows:
            self._tree["backend"] = str(name)
            return rows[name]
        path = (*self._path, "backend")
        if path not in self._merged.missing:
            what = unknown("backend", name, rows, more=" in this version")
            if name is None:
                what = f"missing, it names the other store; {nearest('', rows)}"
            self._problems.add(self._merged.where(path), what)
        return None

    def _maker(self, row: Row) -> Callable[[], Backend[Any]] | None:
        known = (*self._own, *LAYERS)
        told = {key: value for key, value in self._tree.items() if key not in known}
        options = checked(row.options, told, self._path, self._merged, self._problems, known=known)
        if options is None:
            return None
        where = self._merged.where((*self._path, "backend"))
        try:
            return self._made(row, options)
        except ImportError:
            hint = f"pip install 'lamina[{row.extra}]'" if row.extra else "its package is missing"
            self._problems.add(where, f"backend {self._tree['backend']!r} is not installed: {hint}")
        except (StackError, OverflowError) as error:
            self._refused(self._path, told, error)
        return None

    def _refused(self, path: tuple[str, ...], told: Mapping[str, Any], error: Exception) -> None:
        """Note what a constructor said, without values if variables told any of them."""
        what = str(error) if isinstance(error, StackError) else "a number is too large"
        of = [key for key, value in told.items() if is_told(value)]
        if of:
            what = what.partition(", got ")[0]
            path = (*path, of[0]) if len(of) == 1 else path
        self._problems.add(self._merged.where(path), what)

    def _made(self, row: Row, options: BackendOptions) -> Callable[[], Backend[Any]]:
        backend = row.load()
        arguments = options.arguments(self._home, self._domain)

        def make() -> Backend[Any]:
            return backend(**arguments)

        make()  # its constructor checks, and connects to nothing
        return make

    def _stack(self) -> Stack | None:
        path = (*self._path, "layers")
        names, ordered = self._layer_names()
        made = [self._layer(name) for name in names]
        layers = [one for one in made if one is not None]
        if len(layers) < len(made):
            return None
        production = self._merged.tree["preset"] == "production"
        try:
            stack = Stack.ordered(*layers) if ordered else Stack(*layers)
            check(stack.layers, stack.allow, production=production)
            return stack
        except StackError as error:
            self._problems.add(self._merged.where(path), str(error))
            return None

    def _layer_names(self) -> tuple[list[str], bool]:
        """Return the layers, and whether they are to be put in order: those of a preset are.

        A table of a layer adds it to a preset's; beside a list of one's own it must be in that.
        """
        path = (*self._path, "layers")
        told = self._named()
        names = [self._known(name) for name in told]
        tables = [name for name in LAYERS if name in self._tree]
        ordered = path[-1] not in self._tree or self._is_presets(path)
        for name in tables:
            if name not in names and ordered:
                names.append(name)
            elif name not in names and not self._is_presets((*self._path, name)):
                where = self._merged.where((*self._path, name))
                self._problems.add(where, f"sets options, but {'.'.join(path)} does not name it")
        return [name for name in names if name], ordered

    def _is_presets(self, path: tuple[str, ...]) -> bool:
        return self._merged.origin(path).startswith("preset ")

    def _named(self) -> list[str]:
        told: object = self._tree.get("layers", [])
        if isinstance(told, Told):
            return [Told(name.strip()) for name in told.split(",") if name.strip()]
        names = cast("list[object]", told) if isinstance(told, list | tuple) else [None]
        named = [name for name in names if isinstance(name, str)]
        if len(named) < len(names):
            where = self._merged.where((*self._path, "layers"))
            self._problems.add(where, "must be a list of layer names")
        return named

    def _known(self, name: str) -> str:
        if name in LAYERS:
            return str(name)
        where = self._merged.where((*self._path, "layers"))
        self._problems.add(where, unknown("layer", name, LAYERS))
        return ""

    def _layer(self, name: str) -> Layer | None:
        path = (*self._path, name)
        found = self._tree.get(name, {})
        if not isinstance(found, dict):
            self._problems.add(self._merged.where(path), "must be a table of options")
            return None
        told = dict(cast("dict[str, Any]", found))
        another = {
            option: self._another((*path, option), told.pop(option, None), other)
            for option, other in others(name).items()
            if other.needed or option in told
        }
        options = checked(
            layer_options(name), told, path, self._merged, self._problems, known=another
        )
        if options is None or None in another.values():
            return None
        given = {key: getattr(options, key) for key in options.model_fields_set}
        try:
            return layer(name)(**another, **given)
        except (StackError, OverflowError) as error:
            self._refused(path, told, error)
            return None

    def _another(self, place: tuple[str, ...], told: object, other: Other) -> Elsewhere | None:
        """Return the other store that an option of a layer stands for."""
        if not isinstance(told, dict):
            what = f"must be a table that names the other store: [{'.'.join(place)}] backend = ..."
            self._problems.add(self._merged.where(place), what)
            return None
        domain = "keyvalue" if other.bytes else self._domain
        section = SectionReader(
            place, self._merged, self._home_of_all, self._problems, domain
        ).read()
        if section is None:
            return None
        try:
            return Elsewhere(section, bytes=other.bytes)
        except StackError as error:
            self._problems.add(self._merged.where(place), str(error))
            return None
