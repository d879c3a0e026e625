"""What Storage refuses, and in which words: HTTP 400, with the real status inside."""

from __future__ import annotations

import json
from typing import final


@final
class Problem(Exception):
    """A refusal; *error* is what clients call its code, *code* the server's own."""

    def __init__(self, status: int, code: str, message: str, error: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.error = error or code

    @property
    def http_status(self) -> int:
        return 500 if self.status == 500 else 400

    def body(self) -> bytes:
        told = {
            "statusCode": str(self.status),
            "code": self.code,
            "error": self.error,
            "message": self.message,
        }
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def no_bucket() -> Problem:
    """Tell that there is no such bucket."""
    return Problem(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_object() -> Problem:
    """Tell that there is no such object."""
    return Problem(404, "NoSuchKey", "Object not found", "not_found")


def object_exists() -> Problem:
    """Refuse to write over an object."""
    return Problem(409, "KeyAlreadyExists", "The resource already exists", "Duplicate")


def bucket_exists() -> Problem:
    """Refuse to make a bucket twice."""
    return Problem(409, "ResourceAlreadyExists", "The resource already exists", "Duplicate")


def too_large() -> Problem:
    """Refuse an object for its size."""
    message = "The object exceeded the maximum allowed size"
    return Problem(413, "EntityTooLarge", message, "Payload too large")


def bad_type(kind: str) -> Problem:
    """Refuse an object for its type."""
    message = f"mime type {kind} is not supported"
    return Problem(415, "InvalidMimeType", message, "invalid_mime_type")


def bad_key(key: str) -> Problem:
    """Refuse the name of an object."""
    return Problem(400, "InvalidKey", f"Invalid key: {key}")


def bad_bucket_name() -> Problem:
    """Refuse the name of a bucket."""
    return Problem(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input")


def denied(message: str = "new row violates row-level security policy") -> Problem:
    """Refuse what a caller may not do."""
    return Problem(403, "AccessDenied", message, "Unauthorized")


def bad_token(message: str) -> Problem:
    """Refuse a token."""
    return Problem(400, "InvalidJWT", message)


def bad_signature() -> Problem:
    """Refuse a token that was signed for something else."""
    return Problem(400, "InvalidSignature", "Invalid signature")


def invalid(message: str) -> Problem:
    """Refuse what is no call."""
    return Problem(400, "InvalidRequest", message, "Error")


def internal() -> Problem:
    """Tell that something went wrong inside."""
    return Problem(500, "InternalError", "Internal Server Error", "Internal")
