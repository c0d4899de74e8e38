"""Sizes as people type and read them."""

from __future__ import annotations

import argparse
import re

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d{1,12})([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes of "4G", "700M", "65536". Raises `argparse.ArgumentTypeError`."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 4G, 700M or 65536")
    return int(found[1]) * _UNITS[found[2].upper()]


def size_text(size: int) -> str:
    """Return a size for people: "812 B", "34 KB", "1.4 MB", "3.2 GB"."""
    if size < 1024:
        return f"{size} B"
    for unit in ("KB", "MB", "GB"):
        size_in = size / _UNITS[unit[0]]
        if size_in < 1024 or unit == "GB":
            return f"{size_in:.0f} {unit}" if unit == "KB" else f"{size_in:.1f} {unit}"
    raise AssertionError("the last unit takes everything")
