"""A piece of a document that may answer a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from lamina.bot.ingest.chunk import context

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document.

    Attributes:
        source: The full path of its file, or the document's id.
        heading: The headings above it.
        text: The piece, without its context line.
        meaning: How near it is to the question, 0 to 1; 0 if only its words were found.
        words: What share of the question's words it holds, 0 to 1, rare words counting more.
        position: Its place in the file, from 0.
    """

    id: str
    source: str
    heading: str
    name: str
    text: str
    meaning: float = 0.0
    words: float = 0.0
    position: int = 0

    @classmethod
    def of(cls, id_: str, content: str, metadata: Mapping[str, Any]) -> Passage:
        """Make one from what the storage holds; documents of others have no headings."""
        source = str(metadata.get("source") or id_)
        heading = str(metadata.get("heading") or "")
        name = str(metadata.get("name") or "")
        text = content.removeprefix(context(name, heading) + "\n\n") if name else content
        position = metadata.get("position")
        place = position if isinstance(position, int) else 0
        return cls(id_, source, heading, name, text, position=place)

    @property
    def shown(self) -> str:
        """The source as a user would name it: relative to the working directory if inside."""
        try:
            return str(Path(self.source).relative_to(Path.cwd()))
        except (ValueError, OSError):
            return self.source
