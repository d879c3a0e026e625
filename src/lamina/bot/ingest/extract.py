"""The text of a file: plain text, Markdown or PDF."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from lamina.errors import LaminaError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 32 * 1024 * 1024
"""Largest file that is read, in bytes."""

_BOMS: Final = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT: Final = 8192


class Unreadable(LaminaError):
    """A file has no text to give; the message says why."""


class Empty(Unreadable):
    """A file has nothing in it."""


class Binary(Unreadable):
    """A file is neither text nor PDF."""


@final
@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a file, with a *notice* when something about it was not as it should be."""

    text: str
    notice: str | None = None


def load(path: Path, *, largest: int = LARGEST) -> bytes:
    """Return the bytes of a file of at most *largest* bytes.

    Raises:
        Unreadable: Too large, gone, or not allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        msg = (error.strerror or type(error).__name__).lower()
        raise Unreadable(msg) from error
    if len(data) > largest:
        msg = f"larger than {largest / 1024 / 1024:.3g} MB"
        raise Unreadable(msg)
    return data


def extract(data: bytes) -> Extracted:
    r"""Return the text in *data*: a PDF by its first bytes, text of any encoding otherwise.

    Line ends become ``\n``; NUL, which no store holds, becomes a space.

    Raises:
        Binary: Neither text nor PDF.
        Empty: White space only.
        Unreadable: No text can be had from it: an encrypted, damaged or scanned PDF.
    """
    if data[:1024].lstrip().startswith(b"%PDF-"):
        from lamina.bot.ingest.pdf import extract_pdf

        found = extract_pdf(data)
    else:
        found = _decoded(data)
    text = found.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")
    text = text.encode("utf-8", "replace").decode()  # some PDFs give lone surrogates
    if not text.strip():
        msg = "empty"
        raise Empty(msg)
    return Extracted(text, found.notice)


def _decoded(data: bytes) -> Extracted:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return Extracted(data.decode(encoding))
            except UnicodeDecodeError:
                text = data.decode(encoding, errors="replace")
                return Extracted(text, f"some of it is not {encoding.removesuffix('-sig')}")
    if b"\0" in data[:_LOOKED_AT]:
        msg = "not text"
        raise Binary(msg)
    try:
        return Extracted(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _latin(data)


def _latin(data: bytes) -> Extracted:
    head = data[:_LOOKED_AT]
    controls = sum(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)
    if controls > len(head) // 50:
        msg = "not text"
        raise Binary(msg)
    return Extracted(data.decode("latin-1"), "not UTF-8, read as Latin-1")
