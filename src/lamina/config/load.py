"""Read all settings, check them together, and say everything that is wrong at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from lamina.config.checked import checked
from lamina.config.merged import ENVIRONMENT, Merged
from lamina.config.options import Options
from lamina.config.presets import PRESETS
from lamina.config.problems import Problems, unknown
from lamina.config.registry import BACKENDS, LAYERS
from lamina.config.sections import SectionReader
from lamina.config.settings import Section, Settings
from lamina.config.sources import data_home, find_file, read_environment, read_file
from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEPT: Final = frozenset({"backend", "layers", "required", *LAYERS})


class _Whole(Options):
    home: str | None = None
    connect_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    index_messages: bool = False
    cache_bytes: int | None = Field(default=None, ge=1)


def load(
    path: str | Path | None = None,
    *,
    preset: str | None = None,
    environ: Mapping[str, str] | None = None,
    home: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of preset, file, environment and *overrides*; the later wins.

    Nothing is connected. Blocking: it reads a file, and imports the backends it finds there.

    Raises:
        StackError: Names the file and key of all that is wrong or missing, without values.
    """
    problems, variables = Problems(), dict(os.environ) if environ is None else environ
    sources = _sources(path, variables, overrides or {}, problems)
    name = _preset(preset, sources)
    merged = Merged([(f"preset {name}", _fitting(PRESETS[name], Merged(sources))), *sources])
    merged.tree["preset"] = name
    merged.interpolate(variables, problems)
    whole = _whole(merged, problems)
    place = data_home(home, whole.home, merged.where(("home",)), variables)
    sections = _sections(merged, place, problems)
    problems.raise_if_any()
    used = tuple(label for label, tree in sources if tree)
    set_for_all = whole.connect_timeout, whole.index_messages, whole.cache_bytes
    return Settings(name, place, *set_for_all, sections, (f"preset {name}", *used))


def _sources(
    path: str | Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    problems: Problems,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what was set, the weakest first, each with the name of where."""
    file = find_file(path, environ)
    told: list[tuple[str, Mapping[str, Any]]] = []
    if file is not None:
        told.append((str(file), read_file(file)))
    told.append((ENVIRONMENT, read_environment(environ, problems)))
    told.append(("overrides", {k: v for k, v in overrides.items() if v is not None}))
    return told


def _preset(named: str | None, sources: list[tuple[str, Mapping[str, Any]]]) -> str:
    told = Merged(sources)
    name = named or told.tree.get("preset", "embedded")
    if isinstance(name, str) and name in PRESETS:
        return str(name)
    where = "preset" if named else told.where(("preset",))
    msg = f"{where}: {unknown('preset', name, PRESETS)}"
    raise StackError(msg)


def _fitting(preset: Mapping[str, Any], told: Merged) -> dict[str, Any]:
    """Return the preset without the options of backends that are not the ones chosen."""
    fitting: dict[str, Any] = {}
    for domain, section in preset.items():
        chosen = told.table((domain,)).get("backend", section["backend"])
        same = chosen == section["backend"]
        fitting[domain] = {k: v for k, v in section.items() if same or k in _KEPT}
    return fitting


def _whole(merged: Merged, problems: Problems) -> _Whole:
    told = {k: v for k, v in merged.tree.items() if k not in BACKENDS and k != "preset"}
    known = ("preset", *BACKENDS)
    return checked(_Whole, told, (), merged, problems, known=known) or _Whole()


def _sections(merged: Merged, home: Path, problems: Problems) -> dict[str, Section]:
    """Return the domains that are right; note what is wrong with the others."""
    sections: dict[str, Section] = {}
    for domain in BACKENDS:
        if not isinstance(merged.tree.get(domain), dict):
            problems.add(merged.where((domain,)), "must be a table")
        elif (section := SectionReader((domain,), merged, home, problems).read()) is not None:
            sections[domain] = section
    return sections
