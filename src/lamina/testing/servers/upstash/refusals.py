"""What the server refuses, in the service's words as far as they are known."""

from __future__ import annotations

from typing import Final, final

UNAUTHORIZED: Final = "Unauthorized: Invalid auth token"
NO_MODEL: Final = (
    "Embedding data for this index is not allowed. "
    "The index must be created with an embedding model to use it."
)
DENSE_NEEDED: Final = "This index requires dense vectors"
SPARSE_NEEDED: Final = "This index requires sparse vectors"
ONE_TO_FETCH: Final = "Only one of ids or prefix must be provided."
ONE_TO_DELETE: Final = "Only and only one of the ids, prefix, or filter must be provided."
DEFAULT_STAYS: Final = 'The default namespace, which is the empty string "", cannot be '


@final
class Refused(Exception):
    """An answer with an HTTP status and a text, in place of a result."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


def wrong_input(line: int = 1, column: int = 1) -> Refused:
    """Return the refusal of JSON that is malformed or has another shape; positions from 1."""
    where = f"[Source: (ByteArrayInputStream); line: {line}, column: {column}]"
    return Refused(400, f"Missing or wrong input at {where}")


def wrong_dimension(got: int, expected: int) -> Refused:
    """Return the refusal of a dense vector of another dimension."""
    return Refused(422, f"Invalid vector dimension: {got}, expected: {expected}")


def read_only(operation: str) -> Refused:
    """Return the refusal of a write with a token that may only read."""
    return Refused(403, f"Forbidden: /{operation} is not allowed")


def no_namespace(name: str, index: str) -> Refused:
    """Return the refusal to delete a namespace that is not there."""
    return Refused(404, f"Namespace {name} for the index {index} does not exist")


def too_much(what: str, got: int, most: int) -> Refused:
    """Return the refusal of more than a limit allows; the service's own words are unknown."""
    return Refused(422, f"Exceeded the limit of {what}: {got}, at most {most}")
