"""Media: files of any size, read by ranges and written in parts."""

from lamina.domains.media.facade import Given, Media, MediaBackend, Reader
from lamina.domains.media.operations import (
    PART,
    Chunk,
    Erase,
    Head,
    Info,
    ListObjects,
    Put,
    ReadRange,
    Sign,
    check_condition,
    check_range,
    has_condition,
    metadata_of,
)
from lamina.domains.media.parts import Abort, Begin, Finish, PutPart
from lamina.domains.media.sources import BytesSource, FileSource, Source

__all__ = [
    "PART",
    "Abort",
    "Begin",
    "BytesSource",
    "Chunk",
    "Erase",
    "FileSource",
    "Finish",
    "Given",
    "Head",
    "Info",
    "ListObjects",
    "Media",
    "MediaBackend",
    "Put",
    "PutPart",
    "ReadRange",
    "Reader",
    "Sign",
    "Source",
    "check_condition",
    "check_range",
    "has_condition",
    "metadata_of",
]
