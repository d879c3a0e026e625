"""What pydantic finds, in the words of whoever wrote the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from lamina.config.problems import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

    from lamina.config.merged import Merged
    from lamina.config.options import Options
    from lamina.config.problems import Problems

M = TypeVar("M", bound="Options")


def checked(
    model: type[M],
    told: Mapping[str, Any],
    path: tuple[str, ...],
    merged: Merged,
    problems: Problems,
    *,
    known: Iterable[str] = (),
) -> M | None:
    """Return what was *told* at *path* as a *model*; note each problem, then it is None.

    *known* are names that are right there besides those of the model.
    """
    try:
        return model.model_validate(dict(told))
    except ValidationError as error:
        names = (*model.model_fields, *known)
        for found in error.errors(include_url=False, include_input=False):
            _note(found, path, names, merged, problems)
        return None


def _note(
    found: ErrorDetails,
    path: tuple[str, ...],
    names: tuple[str, ...],
    merged: Merged,
    problems: Problems,
) -> None:
    key = str(found["loc"][0]) if found["loc"] else ""
    at = (*path, key) if key else path
    if found["type"] == "missing":
        if at not in merged.missing:
            what = f"missing, it has no default{merged.switched_off(at)}"
            problems.add(merged.where(at), what)
    elif found["type"] == "extra_forbidden":
        problems.add(merged.where(at), f"unknown name {quoted(key)}; {nearest(key, names)}")
    else:
        said = found["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        problems.add(merged.where(at), said[:1].lower() + said[1:])
