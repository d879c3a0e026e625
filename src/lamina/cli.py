"""The command line: ``lamina chat``, ``plan``, ``doctor``, ``dev``, ``backends``, ``sql``."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from lamina.bot.printed import add_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DOMAINS: Final = ("keyvalue", "vectors", "documents", "media")
PRESETS: Final = ("embedded", "production", "test")

_CHAT: Final = """\
examples:
  lamina chat
  lamina chat --chat work --home ~/notes-bot
  printf '/add docs\\nhow do I add a layer?\\n' | lamina chat

A model writes the answers where OPENAI_BASE_URL or OPENAI_API_KEY is set; LAMINA_MODEL names it,
LAMINA_MODEL_TIMEOUT bounds an answer, in seconds. Without, answers are quoted from your files.
"""
_PLAN: Final = """\
examples:
  lamina plan
  lamina plan documents
  lamina plan --json --config lamina.toml
"""
_DOCTOR: Final = """\
examples:
  lamina doctor
  lamina doctor --json --config lamina.toml

The exit code is 1 when something is broken.
"""
_DEV: Final = """\
examples:
  lamina dev
  lamina dev redis --port 6379
  lamina dev upstash --port 8080 --token secret
  lamina dev supabase --port 8000 --jwt-secret SECRET --sql schema.sql
  lamina dev --data ~/lamina-servers
and from another shell:
  lamina dev --status
  lamina dev --pause redis
  lamina dev --resume redis
  lamina dev --kill postgres
  lamina dev --restart postgres

The servers are redis, postgres, s3, upstash and supabase; all run when none is named, until
Ctrl-C. The environment to use goes to standard output, everything else to standard error.
They need pip install 'lamina[servers]'. More switches of single servers are told by
  python -m lamina.testing.servers.supabase --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what fails is told in one line."""
    _quiet()
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _abandon_stdout()
        return 141  # what a shell says of a program that SIGPIPE ended
    except Exception as error:  # the last place that can tell a user
        return _failed(error)
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = parser().parse_args(argv)
    except SystemExit as left:  # after help, version, or a wrong command line
        return left.code if isinstance(left.code, int) else 0
    code: int = args.run(args)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    made = argparse.ArgumentParser(
        prog="lamina",
        description="One storage interface for bots and agents, and a bot that runs on it.",
    )
    made.add_argument("--version", action=_Version, help="show the version and leave")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = commands.add_parser
    chat = _command(add, "chat", "talk to the bot, on a terminal or over a pipe", _chat, _CHAT)
    chat.add_argument(
        "--chat", default="terminal", metavar="NAME", help="which conversation (terminal)"
    )
    plan = _command(add, "plan", "show what each stack does, without connecting", _plan, _PLAN)
    plan.add_argument("domain", nargs="?", choices=DOMAINS, help="only this one")
    plan.add_argument("--json", action="store_true", help="as JSON")
    doctor = _command(add, "doctor", "check settings, data and backends", _doctor, _DOCTOR)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    _dev_options(add)
    add_commands(partial(_described, add))
    return made


def _dev_options(add: Callable[..., argparse.ArgumentParser]) -> None:
    what = "run servers for local development, or act on those that run"
    dev = _described(add, "dev", what, _dev, _DEV)
    dev.add_argument("name", nargs="?", metavar="NAME", help="only this server")
    dev.add_argument("--port", type=int, help="where it listens on 127.0.0.1 (a free port)")
    dev.add_argument("--token", help="what clients of upstash must tell")
    dev.add_argument("--jwt-secret", metavar="SECRET", help="what supabase's keys are signed with")
    dev.add_argument("--sql", metavar="FILE", help="what supabase runs first (Lamina's tables)")
    dev.add_argument("--data", metavar="FOLDER", help="keep data there (else it is temporary)")
    dev.add_argument("--json", action="store_true", help="print as JSON")
    acts = dev.add_mutually_exclusive_group()
    acts.add_argument("--status", action="store_true", help="show what runs, and how to use it")
    for act in ("kill", "pause", "resume", "restart"):
        acts.add_argument(f"--{act}", metavar="NAME", help=f"{act} a server that runs")


def _command(
    add: Callable[..., argparse.ArgumentParser],
    name: str,
    what: str,
    run: Callable[[argparse.Namespace], int],
    examples: str,
) -> argparse.ArgumentParser:
    made = _described(add, name, what, run, examples)
    made.add_argument("--config", metavar="FILE", help="settings (./lamina.toml if there is one)")
    made.add_argument("--preset", choices=PRESETS, help="which settings to begin with (embedded)")
    return made


def _described(
    add: Callable[..., argparse.ArgumentParser],
    name: str,
    what: str,
    run: Callable[[argparse.Namespace], int],
    examples: str,
) -> argparse.ArgumentParser:
    made = add(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--home", metavar="FOLDER", help="where data is kept ($LAMINA_HOME)")
    made.set_defaults(run=run)
    return made


def _chat(args: argparse.Namespace) -> int:
    import lamina
    from lamina.bot.chat.start import chat

    opening = lamina.open(args.config, preset=args.preset, home=args.home)
    asyncio.run(chat(opening, chat_id=args.chat))
    return 0


def _plan(args: argparse.Namespace) -> int:
    import json

    from lamina.config import load
    from lamina.storage import assemble

    plans = assemble(load(args.config, preset=args.preset, home=args.home)).plan()
    if args.domain is not None:
        plans = {args.domain: plans[args.domain]}
    if args.json:
        told = {name: json.loads(plan.to_json()) for name, plan in plans.items()}
        print(json.dumps(told, indent=2))
    else:
        print("\n\n".join(f"[{name}]\n{plan}" for name, plan in plans.items()))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from lamina.bot.doctor import examine, table, to_json

    checks = asyncio.run(examine(args.config, preset=args.preset, home=args.home))
    print(to_json(checks) if args.json else table(checks))
    return 1 if any(check.state == "broken" for check in checks) else 0


def _dev(args: argparse.Namespace) -> int:
    if sys.platform == "win32":
        msg = "the servers need Linux or macOS"
        raise OSError(None, msg)
    from lamina.testing.dev import dev

    return dev(args)


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002  # argparse's name
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import lamina

        print(f"lamina {lamina.__version__}")
        parser.exit()


def _quiet() -> None:
    """Leave standard output and error to the commands: warnings of the layers have a status."""
    import logging

    logging.getLogger("lamina").addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _abandon_stdout() -> None:
    """Let the interpreter flush what is left to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: Exception) -> int:
    from lamina.bot.chat.shown import failure
    from lamina.bot.chat.terminal import clean
    from lamina.errors import LaminaError

    if os.environ.get("LAMINA_DEBUG"):
        raise error
    known = isinstance(error, LaminaError | OSError)
    text = failure(error) if known else f"{type(error).__name__}: {failure(error)}"
    hint = "" if known else " (LAMINA_DEBUG=1 shows where)"
    print(f"lamina: {clean(text)}{hint}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
