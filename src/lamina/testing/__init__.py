"""Tools to test layers, backends, and programs that use them; most is loaded when asked for.

``run``, ``explore`` and ``sweep`` give time, schedules and cancellation; ``ScriptedKeyValue`` and
its like answer by script; ``Faulty`` injects errors; ``FaultProxy``, ``FaultServer`` and
``RawServer`` are a network and servers that fail (see ``lamina.testing.faults``); the contracts
(which need pytest) say what every backend and layer must do; ``lamina.testing.plugin`` runs
``async def`` tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from lamina.testing.clock import (
    DeadlockError,
    LeakedTasks,
    TookTooLong,
    Unhandled,
    VirtualLoop,
    explore,
    run,
    schedules,
)
from lamina.testing.sweep import Sweep, sweep

if TYPE_CHECKING:
    from lamina.testing.contracts import (
        DocumentsContract,
        KeyValueContract,
        LayerContract,
        MediaContract,
        VectorsContract,
    )
    from lamina.testing.faults import FaultProxy, FaultServer, RawServer
    from lamina.testing.faulty import Faulty
    from lamina.testing.scripted import (
        Expectation,
        ScriptedDocuments,
        ScriptedKeyValue,
        ScriptedMedia,
        ScriptedVectors,
        UnexpectedOperation,
    )

__all__ = [
    "DeadlockError",
    "DocumentsContract",
    "Expectation",
    "FaultProxy",
    "FaultServer",
    "Faulty",
    "KeyValueContract",
    "LayerContract",
    "LeakedTasks",
    "MediaContract",
    "RawServer",
    "ScriptedDocuments",
    "ScriptedKeyValue",
    "ScriptedMedia",
    "ScriptedVectors",
    "Sweep",
    "TookTooLong",
    "UnexpectedOperation",
    "Unhandled",
    "VectorsContract",
    "VirtualLoop",
    "explore",
    "run",
    "schedules",
    "sweep",
]

_CONTRACTS: Final = "lamina.testing.contracts"
_FAULTS: Final = "lamina.testing.faults"
_SCRIPTED: Final = "lamina.testing.scripted"
_HOMES: Final = {
    "DocumentsContract": _CONTRACTS,
    "Expectation": _SCRIPTED,
    "FaultProxy": _FAULTS,
    "FaultServer": _FAULTS,
    "Faulty": "lamina.testing.faulty",
    "KeyValueContract": _CONTRACTS,
    "LayerContract": _CONTRACTS,
    "MediaContract": _CONTRACTS,
    "RawServer": _FAULTS,
    "ScriptedDocuments": _SCRIPTED,
    "ScriptedKeyValue": _SCRIPTED,
    "ScriptedMedia": _SCRIPTED,
    "ScriptedVectors": _SCRIPTED,
    "UnexpectedOperation": _SCRIPTED,
    "VectorsContract": _CONTRACTS,
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
