"""What a bot holds: conversations, documents, search and files in one object."""

from lamina.storage.assembly import assemble, open  # noqa: A004  # lamina.open is the name
from lamina.storage.context import Context, VectorResult
from lamina.storage.conversations import Message
from lamina.storage.health import DomainStatus, HealthReport
from lamina.storage.media import MediaInfo
from lamina.storage.reopening import Reopening
from lamina.storage.shapes import NewDocument, StoredDocument
from lamina.storage.unified import UnifiedStorage

__all__ = [
    "Context",
    "DomainStatus",
    "HealthReport",
    "MediaInfo",
    "Message",
    "NewDocument",
    "Reopening",
    "StoredDocument",
    "UnifiedStorage",
    "VectorResult",
    "assemble",
    "open",
]
