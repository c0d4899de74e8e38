"""Pictures with QR codes in them, bounded before they are decoded."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
import segno
from PIL import Image

from server.errors import Refused
from server.scan import MAX_IMAGE_BYTES, read_qr

TEXT = "eyJhbGciOiJFUzI1NiJ9." + "x" * 560


def picture(*texts, format="PNG", scale=4):
    """A picture of codes side by side."""
    codes = []
    for text in texts:
        out = BytesIO()
        segno.make(text, error="l", micro=False).save(out, kind="png", scale=scale, border=6)
        codes.append(Image.open(out).convert("L"))
    whole = Image.new("L", (sum(c.width for c in codes) or 50, max((c.height for c in codes), default=50)), 255)
    left = 0
    for code in codes:
        whole.paste(code, (left, 0))
        left += code.width
    out = BytesIO()
    whole.save(out, format=format)
    return out.getvalue()


def claiming(side):
    """The few bytes of a PNG that says it is a square of this many pixels."""
    found = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0"))):
        found += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return found


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_code_is_read_from_the_pictures_that_phones_and_desks_make(format):
    """A request of usual length comes back to the letter."""
    assert read_qr(picture(TEXT, format=format)) == TEXT


@pytest.mark.parametrize("texts", [(), (TEXT, "another")])
def test_a_picture_with_no_code_or_two_is_refused(texts):
    """Which of two was meant is not guessed."""
    with pytest.raises(Refused, match=f"{len(texts)} were found") as refused:
        read_qr(picture(*texts))
    assert refused.value.code == "no_code"


def test_what_is_no_whole_picture_is_refused_by_name():
    """Text, a format not taken, and a picture cut off are told apart from a picture without a code."""
    whole = picture(TEXT, format="JPEG")
    for data in (b"", b"hello", picture(TEXT, format="BMP"), whole[: len(whole) // 3]):
        with pytest.raises(Refused) as refused:
            read_qr(data)
        assert refused.value.code == "bad_image"


def test_a_picture_of_too_many_bytes_or_pixels_is_refused_before_it_is_decoded():
    """A few bytes may claim a billion pixels; the header alone is believed about that."""
    for data in (claiming(30_000), claiming(8_000), bytes(MAX_IMAGE_BYTES + 1)):
        with pytest.raises(Refused) as refused:
            read_qr(data)
        assert refused.value.code == "too_large"
