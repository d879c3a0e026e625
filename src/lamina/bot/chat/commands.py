"""What a line means: a command or a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from lamina.errors import LaminaError


class NotUnderstood(LaminaError):
    """A command that is none, or lacks something; the message says what to type."""


@final
@dataclass(frozen=True, slots=True)
class Command:
    """A command and what stands after it; the name is empty for a question."""

    name: str
    rest: str = ""

    def path(self) -> Path:
        """Return what stands after the command as a path; quotes and ``~`` as in a shell.

        Raises:
            NotUnderstood: Nothing stands there, or what is no path.
        """
        text = self.rest
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = text[1:-1]
        if not text:
            msg = f"/{self.name} needs a path, as in: {COMMANDS[self.name][0]}"
            raise NotUnderstood(msg)
        if "\0" in text:
            msg = "a path has no NUL in it"
            raise NotUnderstood(msg)
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            msg = "there is no such user"
            raise NotUnderstood(msg) from error

    def count(self, default: int) -> int:
        """Return the number after the command.

        Raises:
            NotUnderstood: It is no whole number above 0.
        """
        if not self.rest:
            return default
        if not (self.rest.isascii() and self.rest.isdigit() and int(self.rest[:9]) > 0):
            msg = f"/{self.name} takes a whole number, as in: /{self.name} {default}"
            raise NotUnderstood(msg)
        return int(self.rest[:9])


COMMANDS: Final = {
    "add": ("/add PATH", "take in a file or a folder: text, Markdown, PDF"),
    "media": ("/media PATH", "store a file and show its reference"),
    "search": ("/search WORDS", "show what the documents hold on that"),
    "history": ("/history [N]", "show the last messages, 10 unless told"),
    "forget": ("/forget", "forget this conversation; /forget documents: all documents"),
    "status": ("/status", "show health, breakers, caches and latencies"),
    "help": ("/help", "show this"),
    "quit": ("/quit", "leave; so does Ctrl-D"),
}
_ALSO: Final = {"exit": "quit", "q": "quit", "?": "help", "h": "help"}


def understand(line: str) -> Command:
    """Return the command that *line* is.

    Raises:
        NotUnderstood: It begins with a slash and is none.
    """
    text = line.strip()
    if not text.startswith("/"):
        return Command("", text)
    name, _, rest = text[1:].partition(" ")
    name = _ALSO.get(name.casefold(), name.casefold())
    if name in COMMANDS:
        return Command(name, rest.strip())
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean /{near[0]}?" if near else "/help lists the commands"
    msg = f"there is no command /{name[:40]}; {hint}"
    raise NotUnderstood(msg)


def help_text() -> str:
    """Return the list of commands."""
    width = max(len(usage) for usage, _ in COMMANDS.values())
    lines = [f"  {usage:{width}}  {what}" for usage, what in COMMANDS.values()]
    return "\n".join(("Ask anything, or:", *lines))
