"""What was measured: a table on the terminal, a JSON file, a plot."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass
class Row:
    """One figure; *target* is what it must not exceed (or must reach, with *least*)."""

    section: str
    name: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target


@dataclass
class Report:
    """The rows of one run."""

    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        section: str,
        name: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        least: bool = False,
    ) -> None:
        self.rows.append(Row(section, name, round(value, 4), unit, target, least))

    def table(self) -> str:
        """Return the rows as text."""
        lines: list[str] = []
        for section in dict.fromkeys(row.section for row in self.rows):
            lines += ["", section]
            for row in (each for each in self.rows if each.section == section):
                verdict = {None: "", True: "ok", False: "MISSED"}[row.met]
                sign = ">=" if row.least else "<="
                bound = "" if row.target is None else f"{sign} {row.target:g}"
                figure = f"{row.value:>11.3f} {row.unit:8} {bound:>10} {verdict}"
                lines.append(f"  {row.name:58} {figure}".rstrip())
        return "\n".join(lines)

    def write(self, folder: Path, command: str) -> Path:
        """Write JSON and plot; return the path of the JSON.

        Sections that were not measured now stay as they were.
        """
        folder.mkdir(parents=True, exist_ok=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        path = folder / f"python-{version}.json"
        new = [{**asdict(row), "met": row.met, "command": command} for row in self.rows]
        measured = {row.section for row in self.rows}
        old = json.loads(path.read_text())["rows"] if path.exists() else []
        told = {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "rows": [*(row for row in old if row["section"] not in measured), *new],
        }
        path.write_text(json.dumps(told, indent=1) + "\n")
        self.plot(path.with_suffix(".png"))
        return path

    def plot(self, path: Path) -> None:
        """Draw what each configuration of layers costs."""
        import matplotlib as mpl

        mpl.use("agg")
        import matplotlib.pyplot as plt

        rows = [row for row in self.rows if row.section.startswith("layers") and row.unit == "us"]
        if not rows:
            return
        figure, axes = plt.subplots(figsize=(9, 0.32 * len(rows) + 1.2))
        names = [f"{row.section.removeprefix('layers, ')}: {row.name}" for row in rows]
        axes.barh(names[::-1], [row.value for row in rows][::-1], color="#4477aa")
        axes.set_xscale("log")
        axes.set_xlabel("microseconds a call (logarithmic)")
        axes.grid(visible=True, axis="x", alpha=0.3)
        figure.tight_layout()
        figure.savefig(path, dpi=110)
        plt.close(figure)


class Progress:
    """A line on stderr that says what is being measured."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._name = ""

    def begin(self, name: str) -> None:
        self._name = name
        self._say(f"{name} ...")

    def step(self, done: int, total: int) -> None:
        if self._stream.isatty():
            self._say(f"\r{self._name}: {done}/{total}", end="\n" if done == total else "")

    def _say(self, text: str, end: str = "\n") -> None:
        print(text, end=end, file=self._stream, flush=True)
