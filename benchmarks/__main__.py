"""Run the benchmarks: ``make bench``, or ``python -m benchmarks layers peers --quick``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from benchmarks import (
    cache,
    layers,
    peers,
    search,
    startup,
    storms,
    traces,
    wire_batch,
    wire_postgres,
    wire_redis,
    wire_s3,
    wire_supabase,
    wire_upstash,
)
from benchmarks.report import Progress, Report

SECTIONS = {
    "layers": layers,
    "peers": peers,
    "cache": cache,
    "storms": storms,
    "startup": startup,
    "search": search,
    "traces": traces,
    "batch": wire_batch,
    "redis": wire_redis,
    "postgres": wire_postgres,
    "upstash": wire_upstash,
    "supabase": wire_supabase,
    "s3": wire_s3,
}


def main() -> int:
    """Measure, print the table, write JSON and plot; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of: {', '.join(SECTIONS)}; all without"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: shows that it runs")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), help="folder for JSON and plot"
    )
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    report, progress = Report(), Progress()
    for name in asked.sections or SECTIONS:
        asyncio.run(SECTIONS[name].measure(report, progress, quick=asked.quick))
    print(report.table())
    path = report.write(asked.out, " ".join(["python -m benchmarks", *sys.argv[1:]]))
    print(f"\nwritten to {path} and {path.with_suffix('.png').name};")
    print("python -m benchmarks.readme puts the figures into the README")
    return 0 if all(row.met is not False for row in report.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
