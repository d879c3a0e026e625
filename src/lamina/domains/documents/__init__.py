"""Documents: text with metadata and a version, found by id, by path, by words and by filter."""

from lamina.domains.documents.facade import Documents, DocumentsBackend
from lamina.domains.documents.operations import (
    Document,
    Find,
    Found,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Update,
    Write,
    WriteAt,
    WriteMany,
)

__all__ = [
    "Document",
    "Documents",
    "DocumentsBackend",
    "Find",
    "Found",
    "Read",
    "ReadAt",
    "ReadMany",
    "Remove",
    "Update",
    "Write",
    "WriteAt",
    "WriteMany",
]
