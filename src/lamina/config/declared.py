"""What each backend declares: the operations that it serves, how, and those that it refuses."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.config.registry import BACKENDS
from lamina.operation import BatchOperation, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.backend import Backend
    from lamina.backends.failures import Failures

_EMULATED: Final = "one by one"
_PROMISES: Final = {"ordered", "unique", _EMULATED}
"""What a backend that does not declare it need not refuse."""


@final
@dataclass(frozen=True, slots=True)
class Declared:
    """One backend of one domain, told by its class; *serves* has each operation's features."""

    domain: str
    name: str
    kind: str
    extra: str | None
    serves: dict[str, tuple[str, ...]]
    refuses: tuple[str, ...]


def declarations() -> list[Declared]:
    """Return what all backends declare that settings can name; imports each.

    Raises:
        ImportError: The package of one is not installed.
    """
    return [
        _declared(domain, name, cast("type[Backend[Any]]", row.load()), row.extra)
        for domain, rows in BACKENDS.items()
        for name, row in rows.items()
    ]


def markdown(declared: Sequence[Declared]) -> str:
    """Return a table of them; what one refuses is what another of its domain serves."""
    lines = ["| backend | named | extra | what it does beyond the plain operations | refuses |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for one in declared:
        more = [f"{op}: {', '.join(features)}" for op, features in one.serves.items() if features]
        extra = f"`lamina[{one.extra}]`" if one.extra else ""
        cells = (f"`{one.kind}`", f'{one.domain} = "{one.name}"', extra)
        refused = "; ".join((*one.refuses, *_lacking(one, declared))) or "nothing"
        lines.append(f"| {' | '.join(cells)} | {'; '.join(more)} | {refused} |")
    return "\n".join(lines)


def failures() -> str:
    """Return a table for each backend of what its failures become.

    Raises:
        ImportError: The package of one is not installed.
    """
    packages = {row.place.partition(":")[0] for rows in BACKENDS.values() for row in rows.values()}
    told: list[str] = []
    for package in sorted(packages):
        table = _table_of(package)
        if table is not None:
            told += [f"## {package.rpartition('.')[2]}", "", *_failures(table), ""]
    return "\n".join(told).rstrip()


def _table_of(package: str) -> Failures | None:
    try:
        module = import_module(f"{package}.failures")
    except ModuleNotFoundError as error:
        if error.name == f"{package}.failures":  # it has none
            return None
        raise
    return cast("Failures | None", getattr(module, "FAILURES", None))


def _failures(table: Failures) -> list[str]:
    lines = [
        "| what happened | error | passing | sent | message |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in table.values():
        kind = row.becomes
        public = next(one for one in kind.__mro__ if one.__module__ == "lamina.errors")
        passing = kind.default_transient if row.transient is None else row.transient
        cells = (
            row.name,
            f"`{public.__name__}`",
            "yes" if passing else "no",
            row.sent or kind.default_sent,
            row.message,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _lacking(one: Declared, declared: Iterable[Declared]) -> list[str]:
    """Return which features of its operations another backend of the domain has."""
    lacking: dict[str, list[str]] = {}
    for other in declared:
        for op, features in other.serves.items() if other.domain == one.domain else ():
            known = lacking.setdefault(op, [])
            held = one.serves.get(op, features)
            known += [f for f in features if f not in {*held, *known, *_PROMISES} and " " not in f]
    return [f"{op}: {', '.join(features)}" for op, features in lacking.items() if features]


def _declared(domain: str, name: str, kind: type[Backend[Any]], extra: str | None) -> Declared:
    served = {
        op.__name__: _features(how.features, how.limits) for op, how in kind.declared().items()
    }
    asked = _operations(domain)
    for op in asked:
        if op.__name__ not in served and op in kind.batches:
            served[op.__name__] = (_EMULATED,)
    ordered = {op.__name__: served[op.__name__] for op in asked if op.__name__ in served}
    refused = tuple(op.__name__ for op in asked if op.__name__ not in served)
    return Declared(domain, name, kind.__name__, extra, ordered, refused)


def _features(features: Iterable[str], limits: Any) -> tuple[str, ...]:
    return (*sorted(features), *(f"{name} {most:,.0f}" for name, most in sorted(limits.items())))


def _operations(domain: str) -> list[type[Operation[Any]]]:
    home = f"lamina.domains.{domain}"
    homes = (import_module(f"{home}.operations"), import_module(home))  # which has the batches too
    told = (value for place in homes for value in vars(place).values())
    found = dict.fromkeys(value for value in told if inspect.isclass(value))
    return [
        op
        for op in found
        if issubclass(op, Operation) and op.domain == domain and op is not BatchOperation
    ]
