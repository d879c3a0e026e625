"""The command line as a user has it: a process, a pipe, a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lamina import __version__
from lamina.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("LAMINA", "OPENAI", "PYTHON"))
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a working directory with some documents."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "build-a-layer.md").write_text(
        "# How to add a layer\n\nWrite one class in one file.\n\n## Test it\n\nRun the suite.\n"
    )
    (docs / "layers.md").write_text("# Layers\n\nThe cache stands outside of retry.\n")
    return tmp_path


def environment(place: Path, **more: str) -> dict[str, str]:
    return {**ENVIRONMENT, "LAMINA_HOME": str(place / "home"), "COLUMNS": "100", **more}


def run(
    place: Path, *args: str, said: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "lamina.cli", *args],
        input=said,
        capture_output=True,
        cwd=place,
        env=environment(place, **more),
        timeout=60,
        check=False,
    )


def test_a_pipe_is_answered_and_the_second_run_remembers(place: Path) -> None:
    first = run(place, "chat", said=b"/add docs\nhow do I add a layer?\n")

    assert (first.returncode, first.stderr) == (0, b"")
    told = first.stdout.decode()
    assert "2 added" in told
    assert "[1] docs/build-a-layer.md, How to add a layer" in told

    second = run(place, "chat", said=b"/add docs\nand how do I test it?\n/history 1\n")

    assert (second.returncode, second.stderr) == (0, b"")
    told = second.stdout.decode()
    assert told.startswith("Lamina. I remember 2 messages.")
    assert "2 unchanged" in told
    assert "[1] docs/build-a-layer.md, How to add a layer > Test it" in told
    assert "1 of 4 messages" in told


def test_what_was_answered_survives_kill_9(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lamina.cli", "chat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=place,
        env=environment(place),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello there\n")
        process.stdin.flush()
        told = b""
        while b"found nothing" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        process.kill()

    assert b"I remember 2 messages" in run(place, "chat").stdout


def test_bytes_that_are_no_text_are_no_crash(place: Path) -> None:
    said = b"\0\xff\xfe\n/add \xff\n/search \xe2\x80\xae\n" + b"x" * 3_000_000 + b"\n/quit\nnever\n"

    done = run(place, "chat", "--preset", "test", said=said)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"no such file" in done.stdout
    assert b"never" not in done.stdout


@pytest.mark.parametrize("args", [(), ("nonsense",), ("chat", "--nonsense")])
def test_a_wrong_command_is_told_with_the_usage(place: Path, args: tuple[str, ...]) -> None:
    done = run(place, *args)

    assert done.returncode == 2
    assert b"usage: lamina" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["chat", "plan", "doctor"])
def test_every_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0

    assert f"examples:\n  lamina {command}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"lamina {__version__}\n"


def test_help_and_a_prompt_load_nothing_heavy(place: Path) -> None:
    code = (
        "import sys; from lamina.cli import main\n"
        "main(['--help'])\n"
        "print(sorted({'numpy', 'pydantic', 'structlog', 'lamina.config'} & set(sys.modules)))\n"
        "main(['chat'])\n"
        "print(sorted({'numpy', 'pypdf', 'httpx', 'wordllama', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=place,
        env=environment(place),
        timeout=60,
        check=True,
    )

    assert done.stdout.decode().count("\n[]\n") == 2


def test_the_plan_is_a_table_and_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(place, "plan", "keyvalue").stdout.decode()
    parsed = json.loads(run(place, "plan", "--json").stdout)

    assert told.startswith("[keyvalue]\nstack over sqlite")
    assert set(parsed) == {"keyvalue", "vectors", "documents", "media"}
    assert parsed["media"]["backend"] == "files"
    assert not (place / "home").exists()


def test_the_doctor_finds_all_well(place: Path) -> None:
    done = run(place, "doctor", "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True)
    states = {check["name"]: check["state"] for check in told["checks"]}
    for name in ("settings", "data home", "keyvalue", "vectors", "documents", "media", "model"):
        assert states[name] == "ok"


def test_the_doctor_tells_a_wrong_setting_and_the_fix(place: Path) -> None:
    (place / "lamina.toml").write_text("[documents]\nbakend = 'sqlite'\n")

    done = run(place, "doctor")

    assert done.returncode == 1
    assert b"BROKEN  settings" in done.stdout
    assert b"bakend" in done.stdout
    assert b"->" in done.stdout


def test_the_doctor_tells_a_home_that_cannot_be_written(place: Path) -> None:
    (place / "home").write_text("a file, not a folder")

    done = run(place, "doctor")

    assert done.returncode == 1
    assert b"BROKEN  data home" in done.stdout
    assert b"Traceback" not in done.stdout + done.stderr


def test_a_wrong_setting_is_one_line_and_no_traceback(place: Path) -> None:
    (place / "lamina.toml").write_text("preset = 'embeded'\n")

    for command in ("chat", "plan"):
        done = run(place, command)
        assert done.returncode == 1
        assert done.stderr.startswith(b"lamina: ")
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_wrong_model_setting_is_told_before_anything_is_opened(place: Path) -> None:
    done = run(place, "chat", OPENAI_BASE_URL="nowhere")

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"lamina: OPENAI_BASE_URL must begin with http:// or https://\n"
    assert not (place / "home").exists()


def test_a_name_that_no_store_could_hold_is_told_at_once(place: Path) -> None:
    done = run(place, "chat", "--chat", "")

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"lamina: the name of the conversation must not be empty\n"


@pytest.mark.parametrize("args", [("plan",), ("plan", "--json"), ("chat",), ("--version",)])
def test_nobody_who_reads_is_a_quiet_end(place: Path, args: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lamina.cli", *args],
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.PIPE,
            cwd=place,
            env=environment(place),
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)

    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_over_a_pipe_ends_with_130(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lamina.cli", "chat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place,
        env=environment(place),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)

    assert (process.returncode, told) == (130, b"")


class Screen:
    """A person at a terminal: types, and waits for what is shown."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self.fd = fd
        self.process = process
        self.shown = b""

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def until(self, text: bytes, seconds: float = 30.0) -> bytes:
        """Wait until *text* is shown; return all that was shown up to it, and forget it."""
        ends = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, ends - time.monotonic()))
            data = b""
            if ready:
                with contextlib.suppress(OSError):  # the other side has left
                    data = os.read(self.fd, 65536)
            assert data, f"{text!r} was not shown: {self.shown!r}"
            self.shown += data
        before, found, self.shown = self.shown.partition(text)
        return before + found


@contextlib.contextmanager
def opened(place: Path, **more: str) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lamina.cli", "chat"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=place,
        env=environment(place, TERM="xterm", **more),
        start_new_session=True,
        preexec_fn=own_terminal,  # noqa: PLW1509  # so that Ctrl-C is a signal to it
    )
    os.close(theirs)
    try:
        yield Screen(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture
def screen(place: Path) -> Iterator[Screen]:
    with opened(place) as made:
        yield made


def own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.realtime
def test_a_person_is_prompted_asked_and_leaves_with_ctrl_d(screen: Screen) -> None:
    screen.until(b"you> ")
    screen.type(b"/add docs\n")
    assert b"2 added" in screen.until(b"you> ")
    screen.type(b"/forget documents\n")
    screen.until(b"[y/N] ")
    screen.type(b"\n")
    assert b"kept" in screen.until(b"you> ")
    screen.type(b"/forget documents\n")
    screen.until(b"[y/N] ")
    screen.type(b"y\n")
    assert b"forgotten: 2 files" in screen.until(b"you> ")
    screen.type(b"\x04")

    assert screen.process.wait(30) == 0


@pytest.mark.realtime
def test_ctrl_c_clears_the_line_and_twice_leaves(screen: Screen) -> None:
    screen.until(b"you> ")
    screen.type(b"half a line\x03")
    screen.until(b"Ctrl-C again or Ctrl-D leaves")
    screen.until(b"you> ")
    screen.type(b"/history\n")
    assert b"nothing was said yet" in screen.until(b"you> ")
    screen.type(b"\x03")
    screen.until(b"you> ")
    screen.type(b"\x03")

    assert screen.process.wait(30) == 0


@pytest.mark.server
def test_ctrl_c_cancels_an_answer_and_nothing_of_it_is_saved(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with opened(place, OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-secret") as screen:
            screen.until(b"you> ")
            screen.type(b"what takes so long?\n")
            with silent.accept()[0] as connection:
                connection.recv(100)
                screen.type(b"\x03")
                told = screen.until(b"you> ")
            assert b"(stopped; Ctrl-C again or Ctrl-D leaves)" in told
            screen.type(b"/history\n")
            told += screen.until(b"you> ")
            assert b"nothing was said yet" in told
            assert b"sk-secret" not in told
            screen.type(b"/quit\n")
            assert screen.process.wait(30) == 0
