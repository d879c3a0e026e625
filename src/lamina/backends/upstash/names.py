"""The service's namespaces for the namespaces of all scopes: one each, and back.

The SDK puts a namespace into the address as it is, so a name has only letters, digits, ``_``,
``-`` and, not first, dots. A namespace of the scope ``""`` that is such a name keeps it, so that
what is already there can be read. Every other is written as ``_l.<scope>.<namespace>``, in which
each byte but letters, digits and ``-`` is ``_`` and two hexadecimal digits.
"""

from __future__ import annotations

import re
from typing import Final

from lamina.errors import Invalid
from lamina.values import check_text

LONGEST: Final = 1024
"""Characters of a name; the service tells no limit, and an address has to hold it."""

_MARK: Final = "_l."
_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]")
_ENCODED: Final = re.compile(
    r"_l\.((?:[A-Za-z0-9-]|_[0-9A-F]{2})*)\.((?:[A-Za-z0-9-]|_[0-9A-F]{2})*)"
)
_ESCAPED: Final = re.compile(r"(?:_[0-9A-F]{2})+")


def name_of(scope: str, namespace: str) -> str:
    """Return the service's name for a namespace of a scope.

    Raises:
        Invalid: It would be longer than 1,024 characters, or is no text.
    """
    if not scope and (not namespace or _is_safe(namespace)):
        name = namespace
    else:
        check_text(scope, what="a scope")
        check_text(namespace, what="a namespace")
        name = f"{_MARK}{_escape(scope)}.{_escape(namespace)}"
    if len(name) > LONGEST:
        msg = f"scope and namespace take {len(name)} characters, at most {LONGEST}"
        raise Invalid(msg)
    return name


def namespace_of(scope: str, name: str) -> str | None:
    """Return the namespace that *name* stands for in *scope*; None if it is not that scope's."""
    if not name or _is_safe(name):
        return None if scope else name
    found = _ENCODED.fullmatch(name)
    if found is None:
        return None
    try:
        told, namespace = map(_unescape, found.groups())
    except UnicodeDecodeError:
        return None
    return namespace if told == scope and name_of(scope, namespace) == name else None


def _is_safe(name: str) -> bool:
    return _SAFE.fullmatch(name) is not None and not name.startswith(_MARK)


def _escape(text: str) -> str:
    return "".join(
        char if _PLAIN.fullmatch(char) else "".join(f"_{byte:02X}" for byte in char.encode())
        for char in text
    )


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[0].replace("_", "")).decode(), text)
