"""Media: files of any size, read by ranges and written in parts."""

from lamina.domains.media.conditions import check_condition, check_range, has_condition, metadata_of
from lamina.domains.media.facade import Given, Media, MediaBackend, Reader
from lamina.domains.media.operations import (
    PART,
    Abort,
    Begin,
    Chunk,
    Erase,
    Finish,
    Head,
    HeadMany,
    Info,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
    Sign,
)
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
    "HeadMany",
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
