"""Key-value: bytes under a key, with a time to live."""

from lamina.domains.keyvalue.facade import KeyValue, KeyValueBackend
from lamina.domains.keyvalue.operations import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)

__all__ = [
    "Append",
    "CompareAndSet",
    "Delete",
    "Expire",
    "Get",
    "GetMany",
    "GetStamped",
    "GetStampedMany",
    "Increment",
    "KeyValue",
    "KeyValueBackend",
    "Scan",
    "Set",
    "SetMany",
    "TimeToLive",
]
