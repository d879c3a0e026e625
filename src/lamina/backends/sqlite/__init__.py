"""In one SQLite file: what is acknowledged survives crashes; needs nothing but Python."""

from lamina.backends.sqlite.documents import SqliteDocuments
from lamina.backends.sqlite.keyvalue import SqliteKeyValue
from lamina.backends.sqlite.vectors import SqliteVectors

__all__ = ["SqliteDocuments", "SqliteKeyValue", "SqliteVectors"]
