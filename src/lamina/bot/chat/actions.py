"""What each command does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.bot.chat import shown
from lamina.bot.chat.commands import NotUnderstood
from lamina.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from lamina.bot.chat.commands import Command
    from lamina.bot.chat.desk import Desk


async def add(desk: Desk, command: Command) -> None:
    """Take in a file or a folder."""
    from lamina.bot.chat.progress import progress
    from lamina.bot.ingest.ingest import Ingest
    from lamina.bot.library import Library

    ingest = Ingest(Library(desk.storage), progress(desk.terminal))
    report = await ingest.take(command.path())
    desk.terminal.say(shown.report(report))


async def media(desk: Desk, command: Command) -> None:
    """Store a file and say how to get it again."""
    import mimetypes
    import os

    from lamina.domains.media import FileSource

    path = command.path()
    if not path.is_file():
        msg = "no such file"
        raise NotUnderstood(msg)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    name = os.fsencode(path.name).decode("utf-8", "replace")
    reference = await desk.storage.store_media(FileSource(path), name, kind)
    desk.terminal.say(f"stored as {reference}")
    try:
        desk.terminal.say(await desk.storage.media_url(reference))
    except Unsupported:
        desk.terminal.say("(this storage has no URLs)")


async def search(desk: Desk, command: Command) -> None:
    """Show the passages that have to do with some words."""
    from lamina.bot.answer.find import find
    from lamina.bot.chat.terminal import clean

    words = clean(command.rest).strip()
    if not words:
        msg = "/search needs words, as in: /search circuit breaker"
        raise NotUnderstood(msg)
    found = await find(desk.storage, words[:1000], top_k=8)
    desk.terminal.say(shown.passages(found.passages, found.notices))


async def history(desk: Desk, command: Command) -> None:
    """Show the last messages."""
    wanted = command.count(10)
    said = await desk.storage.get_conversation(desk.chat_id) or []
    desk.terminal.say(shown.messages(said[-wanted:], len(said)))


async def forget(desk: Desk, command: Command) -> None:
    """Forget the conversation, or all documents."""
    if command.rest == "documents":
        await _forget_documents(desk)
    elif command.rest:
        msg = "/forget forgets this conversation, /forget documents all documents"
        raise NotUnderstood(msg)
    elif await desk.terminal.agrees("Forget this conversation?"):
        gone = await desk.storage.delete_conversation(desk.chat_id)
        desk.terminal.say("forgotten" if gone else "there was nothing to forget")
    else:
        desk.terminal.say("kept")


async def _forget_documents(desk: Desk) -> None:
    from lamina.bot.library import Library

    library = Library(desk.storage)
    entries = await library.entries()
    what = shown.plural(len(entries), "file")
    if not entries:
        desk.terminal.say("there was nothing to forget")
    elif await desk.terminal.agrees(f"Forget the text of {what}? The files themselves stay."):
        for entry in entries.values():
            await library.remove(entry)
        desk.terminal.say(f"forgotten: {what}")
    else:
        desk.terminal.say("kept")


async def status(desk: Desk, command: Command) -> None:
    """Show how the storage is."""
    from lamina.bot.chat.status import status_text

    del command
    desk.terminal.say(await status_text(desk.storage))


ACTIONS: Final[dict[str, Callable[[Desk, Command], Coroutine[Any, Any, None]]]] = {
    "add": add,
    "media": media,
    "search": search,
    "history": history,
    "forget": forget,
    "status": status,
}
