"""What every documents backend must do."""

from lamina.testing.contracts.documents.basics import BasicDocuments
from lamina.testing.contracts.documents.drawn import DrawnDocuments
from lamina.testing.contracts.documents.model import ModelledDocuments
from lamina.testing.contracts.documents.search import SearchedDocuments
from lamina.testing.contracts.documents.versions import VersionedDocuments


class DocumentsContract(
    BasicDocuments, VersionedDocuments, SearchedDocuments, DrawnDocuments, ModelledDocuments
):
    """Define ``backend()``, which gives a new, empty documents backend."""


__all__ = ["DocumentsContract"]
