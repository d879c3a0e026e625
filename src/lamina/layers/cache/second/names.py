"""The keys of the second tier: of answers, and of generations."""

from __future__ import annotations

import dataclasses
import struct
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.layers.cache.second.coders import Unstorable, sized
from lamina.layers.cache.second.frame import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.cache.second.coders import Out
    from lamina.operation import Operation

_FLOAT: Final = struct.Struct(">d")
_SHORT: Final = 20  # bytes of a digest in a key; an answer holds all 32 of them


@final
class Names:
    """Names keys for one domain of one program; *namespace* keeps programs apart.

    Keys are short, however long or strange what they stand for is, and tell no more of it than
    the type of an operation.
    """

    def __init__(self, namespace: str, domain: str) -> None:
        self._place = f"{namespace}:{VERSION}:{domain}"
        self.root = f"{self._place}:root"

    def digest(self, op: Operation[Any]) -> bytes:
        """Return 32 bytes that stand for the operation, its tenant and its arguments.

        Raises:
            Unstorable: An argument has no bytes of its own.
        """
        kind = type(op)
        out: Out = []
        for part in (f"{kind.__module__}.{kind.__qualname__}", op.scope, op.identity()):
            _write(part, out)
        return blake2b(b"".join(out), digest_size=32).digest()

    def entry(self, op: Operation[Any], digest: bytes) -> str:
        """Return the key of an answer."""
        return f"{self._place}:{type(op).__name__}:{digest[:_SHORT].hex()}"

    def scope(self, scope: str) -> str:
        """Return the key of a tenant's generation."""
        return f"{self._place}:scope:{_hashed(scope)}"

    def tags(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return the keys of the generations of tags, each once."""
        return tuple(dict.fromkeys(f"{self._place}:gen:{_hashed(tag)}" for tag in tags))


def _hashed(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=_SHORT).hexdigest()


def _write(value: object, out: Out) -> None:
    """Write *value* so that no other value has the same bytes."""
    if value is None or isinstance(value, bool):
        out.append(str(value)[:1].encode())
    elif isinstance(value, Enum):
        out.append(b"e")
        _write((_named(value), value.name), out)
    elif type(value) is str:
        out.append(b"s")
        sized(value.encode("utf-8", "surrogatepass"), out)
    elif type(value) is bytes:
        out.append(b"b")
        sized(value, out)
    elif type(value) is int:
        out.append(b"i")
        sized(value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True), out)
    elif isinstance(value, float):
        out.append(b"f" + _FLOAT.pack(value))
    elif isinstance(value, tuple):
        out.append(b"(")
        for item in cast("tuple[object, ...]", value):
            _write(item, out)
        out.append(b")")
    elif dataclasses.is_dataclass(value):
        held = tuple(getattr(value, field.name) for field in dataclasses.fields(value))
        out.append(b"d")
        _write((_named(value), *held), out)
    else:
        raise Unstorable


def _named(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
