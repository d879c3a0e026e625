"""What each backend declares: the operations that it serves, how, and those that it refuses."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.config.registry import BACKENDS
from lamina.operation import Batch, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.backend import Backend

_EMULATED: Final = "one by one"


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


def markdown(declared: Iterable[Declared]) -> str:
    """Return a table of them."""
    lines = ["| backend | named | extra | what it does beyond the plain operations | refuses |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for one in declared:
        more = [f"{op}: {', '.join(features)}" for op, features in one.serves.items() if features]
        extra = f"`lamina[{one.extra}]`" if one.extra else ""
        cells = (f"`{one.kind}`", f'{one.domain} = "{one.name}"', extra)
        refused = ", ".join(one.refuses) or "nothing"
        lines.append(f"| {' | '.join(cells)} | {'; '.join(more)} | {refused} |")
    return "\n".join(lines)


def _declared(domain: str, name: str, kind: type[Backend[Any]], extra: str | None) -> Declared:
    served = {
        op.__name__: _features(how.features, how.limits)
        for op, (_, how) in kind._methods.items()  # noqa: SLF001  # declared by the class itself
    }
    asked = _operations(domain)
    for op in asked:
        if op.__name__ not in served and op in kind.batches:
            served[op.__name__] = (_EMULATED,)
    ordered = {op.__name__: served[op.__name__] for op in asked if op.__name__ in served}
    refused = tuple(op.__name__ for op in asked if op.__name__ not in served)
    return Declared(domain, name, kind.__name__, extra, ordered, refused)


def _features(features: Iterable[str], limits: Any) -> tuple[str, ...]:
    return (*sorted(features), *(f"{name} {most:g}" for name, most in sorted(limits.items())))


def _operations(domain: str) -> list[type[Operation[Any]]]:
    home = import_module(f"lamina.domains.{domain}.operations")
    found = (value for value in vars(home).values() if inspect.isclass(value))
    return [
        op for op in found if issubclass(op, Operation) and op.domain == domain and op is not Batch
    ]
