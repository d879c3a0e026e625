"""Write the measured figures into the README: ``python -m benchmarks.readme``.

They come from the committed files in ``benchmarks/results``; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
BEGIN: Final = "<!-- numbers: written by `python -m benchmarks.readme` -->\n"
END: Final = "<!-- end of numbers -->\n"


def numbers() -> str:
    """Return the section's text."""
    runs = [
        json.loads(path.read_text())
        for path in sorted((ROOT / "benchmarks/results").glob("*.json"))
    ]
    versions = [run["python"].rpartition(".")[0] for run in runs]
    lines = [
        f"| measured with `make bench` | {' | '.join(f'Python {v}' for v in versions)} | bound |",
        f"| --- |{' --- |' * len(runs)} --- |",
    ]
    for row in runs[-1]["rows"]:
        if row["target"] is None:
            continue
        cells = [_cell(run, row) for run in runs]
        bound = f"{'≥' if row['least'] else '≤'} {row['target']:g}"
        lines.append(f"| {row['section']}: {row['name']} | {' | '.join(cells)} | {bound} |")
    files = ", ".join(
        f"[{run['python']}](benchmarks/results/python-{v}.json)"
        for run, v in zip(runs, versions, strict=True)
    )
    missed = [
        f"{row['section']}: {row['name']} (Python {version})"
        for run, version in zip(runs, versions, strict=True)
        for row in run["rows"]
        if row["met"] is False
    ]
    lines += ["", f"Not met in these runs: {'; '.join(missed) or 'nothing'}."]
    lines += [f"All rows: {files}. Two busy cores; ratios within one run count more.", ""]
    return "\n".join(lines)


def main() -> None:
    """Replace the section in the README."""
    page = ROOT / "README.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{numbers()}\n{END}{after}", encoding="utf-8")


def _cell(run: dict[str, Any], wanted: dict[str, Any]) -> str:
    for row in run["rows"]:
        if (row["section"], row["name"]) == (wanted["section"], wanted["name"]):
            return f"{row['value']:.3g} {row['unit']}"
    return "-"


if __name__ == "__main__":
    main()
