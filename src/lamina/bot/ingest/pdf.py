"""The text of a PDF."""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING

from lamina.bot.ingest.extract import Extracted, Unreadable

if TYPE_CHECKING:
    from pypdf import PdfReader


def extract_pdf(data: bytes) -> Extracted:
    """Return the text of all pages that can be read, a form feed between them.

    Raises:
        Unreadable: Encrypted, damaged, without pages or with images only; or pypdf is missing.
    """
    try:
        import pypdf
    except ImportError as error:
        msg = "a PDF needs pypdf: pip install 'lamina[bot]'"
        raise Unreadable(msg) from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells every repair on stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _read(pypdf.PdfReader(io.BytesIO(data)))
        except Unreadable:
            raise
        except (Exception, RecursionError) as error:  # damaged files raise anything
            msg = "the PDF is damaged"
            raise Unreadable(msg) from error


def _read(reader: PdfReader) -> Extracted:
    if reader.is_encrypted and not _opens(reader):
        msg = "the PDF is encrypted with a password"
        raise Unreadable(msg)
    pages: list[str] = []
    damaged = 0
    for page in reader.pages:
        try:
            pages.append(page.extract_text())
        except Exception:  # one damaged page is told and the others are read
            damaged += 1
    if damaged and damaged == len(reader.pages):
        msg = "the PDF is damaged"
        raise Unreadable(msg)
    if not pages:
        msg = "the PDF has no pages"
        raise Unreadable(msg)
    text = "\f".join(pages)
    if not text.strip():
        msg = "the PDF has no text, only images perhaps"
        raise Unreadable(msg)
    return Extracted(text, f"{damaged} damaged pages left out" if damaged else None)


def _opens(reader: PdfReader) -> bool:
    try:
        return bool(reader.decrypt(""))
    except Exception:  # a cipher that needs another package, or a broken one
        return False
