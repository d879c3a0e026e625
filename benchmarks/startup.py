"""What a process pays before its first operation."""

from __future__ import annotations

import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Progress, Report

_IMPORT = """
import time
began = time.perf_counter()
import asyncio{more}
print(time.perf_counter() - began)
"""


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure ``import lamina`` and the bot's start."""
    progress.begin("start-up")
    runs = 3 if quick else 11
    differences: list[float] = []
    for number in range(runs):
        plain = _seconds(_IMPORT.format(more=""))
        ours = _seconds(_IMPORT.format(more=", lamina, lamina.stack, lamina.domains.keyvalue"))
        differences.append((ours - plain) * 1000)
        progress.step(number + 1, runs)
    section = "start-up"
    report.add(
        section,
        "import lamina beyond import asyncio",
        statistics.median(differences),
        "ms",
        target=80,
    )
    with tempfile.TemporaryDirectory() as home:
        prompts = [_prompt(home) for _ in range(2 if quick else 5)]
    report.add(
        section,
        "second start of `lamina chat` to its prompt",
        statistics.median(prompts[1:]),
        "s",
        target=1.5,
    )


def _seconds(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _prompt(home: str) -> float:
    """Start the bot on a terminal of its own; return the seconds until it asks."""
    leader, follower = pty.openpty()
    environ = {**os.environ, "LAMINA_HOME": str(Path(home) / "lamina"), "TERM": "dumb"}
    began = time.perf_counter()
    bot = subprocess.Popen(
        [str(Path(sys.executable).with_name("lamina")), "chat"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environ,
    )
    os.close(follower)
    try:
        seen = b""
        while b"you>" not in seen:
            seen += os.read(leader, 4096)
        took = time.perf_counter() - began
        os.write(leader, b"/quit\n")
        bot.wait(20)
        return took
    finally:
        bot.kill()
        bot.wait()
        os.close(leader)
