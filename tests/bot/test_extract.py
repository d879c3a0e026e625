from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pypdf
import pytest

from lamina.bot.ingest.extract import Binary, Unreadable, extract, load

if TYPE_CHECKING:
    from pathlib import Path

SAID = "na\u00efve caf\u00e9 \u2014 \u65e5\u672c"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_of_a_marked_encoding_is_read_as_it_was_written(encoding: str) -> None:
    found = extract(SAID.encode(encoding))

    assert found.text == SAID
    assert found.notice is None


def test_other_bytes_are_read_as_latin_1_and_told() -> None:
    found = extract("caf\u00e9 au lait".encode("latin-1"))

    assert found.text == "caf\u00e9 au lait"
    assert found.notice == "not UTF-8, read as Latin-1"


def test_a_cut_utf_16_file_is_read_and_told() -> None:
    found = extract("abc".encode("utf-16") + b"\x00")

    assert found.text.startswith("abc")
    assert found.notice == "some of it is not utf-16"


def test_line_ends_become_one_kind() -> None:
    assert extract(b"a\r\nb\rc").text == "a\nb\nc"


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x00\x00", b"\x89PNG\r\n\x1a\n\x00", b"\xff\xfa\x01\x02"]
)
def test_binary_data_is_told_apart(data: bytes) -> None:
    with pytest.raises(Binary, match="not text"):
        extract(data)


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told(data: bytes) -> None:
    with pytest.raises(Unreadable, match="empty"):
        extract(data)


def test_a_nul_late_in_a_text_becomes_a_space() -> None:
    assert extract(b"a" * 9000 + b"\0b").text.endswith("a b")


def test_the_text_of_a_pdf_is_read() -> None:
    assert "Hello from a page" in extract(pdf("Hello from a page")).text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.4 and nothing more", "damaged"),
        (b"%PDF-1.7\n" + b"\xff\x00garbage" * 50, "damaged"),
    ],
)
def test_a_damaged_pdf_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        extract(data)


def test_every_cut_of_a_pdf_is_told_or_read() -> None:
    whole = pdf("Hello")

    for end in range(5, len(whole), 37):
        with suppress(Unreadable):
            assert "Hello" in extract(whole[:end]).text


def test_a_pdf_with_a_password_is_told() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("secret")))
    writer.encrypt("open sesame", algorithm="RC4-128")

    with pytest.raises(Unreadable, match="encrypted with a password"):
        extract(written(writer))


def test_a_pdf_without_text_is_told() -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)

    with pytest.raises(Unreadable, match="no text, only images"):
        extract(written(writer))


def test_a_pdf_without_pages_is_told() -> None:
    with pytest.raises(Unreadable, match="no pages"):
        extract(written(pypdf.PdfWriter()))


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    path.write_bytes(b"x" * 2049)

    with pytest.raises(Unreadable, match="larger than"):
        load(path, largest=2048)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        load(tmp_path / "gone")


def written(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pdf(text: str) -> bytes:
    """Write a PDF of one page by hand."""
    content = f"BT /F1 24 Tf 72 72 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n" % (len(objects) + 1, start))
    out.write(b"%%EOF\n")
    return out.getvalue()
