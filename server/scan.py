"""Reading a QR code out of a picture somebody took or saved: bounded before anything is decoded."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from server.errors import NotReady, Refused

MAX_IMAGE_BYTES: Final = 12 * 1024 * 1024  # what a phone's camera writes today, with room
MAX_PIXELS: Final = 50_000_000
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_SIDE: Final = 2400  # a code that fills a third of the picture still has 4 pixels to a module


def read_qr(image: bytes) -> str:
    """Return the text of the one QR code in a JPEG, PNG or WebP picture.

    Raises `Refused("too_large")`, `Refused("bad_image")`, `Refused("no_code")` when there is none or more than one, and
    `NotReady` where the extra `scan` is not installed.
    """
    if len(image) > MAX_IMAGE_BYTES:
        raise Refused("too_large", f"a picture has at most {MAX_IMAGE_BYTES >> 20} MB")
    try:
        import zxingcpp
        from PIL import Image
    except ImportError as exc:
        raise NotReady("reading a code from a picture needs the extra: pip install 'tram[scan]'") from exc
    try:
        with Image.open(BytesIO(image), formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:  # known from the header; nothing is decoded yet
                raise Refused("too_large", f"a picture has at most {MAX_PIXELS // 1_000_000} million pixels")
            opened.draft("L", (_SIDE, _SIDE))  # JPEG: decode at a smaller scale at once
            grey = opened.convert("L")
    except Image.DecompressionBombError as exc:  # Pillow's own bound, from the header as well
        raise Refused("too_large", f"a picture has at most {MAX_PIXELS // 1_000_000} million pixels") from exc
    except (OSError, ValueError, SyntaxError) as exc:  # what Pillow raises for a broken picture
        raise Refused("bad_image", "this is not a whole JPEG, PNG or WebP picture") from exc
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    if len(found) != 1:
        raise Refused("no_code", f"there is one QR code to be read, and {len(found)} were found in this picture")
    return found[0].text
