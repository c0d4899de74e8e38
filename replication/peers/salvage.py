"""What can be kept of an answer that a cut has torn: its whole rows.

{"results":[ {row}, {row}, {ro ✂
"""

from __future__ import annotations

import json
from typing import Any

_DECODER = json.JSONDecoder()
_BETWEEN = " \t\r\n,"


def whole_rows(torn: bytes) -> list[Any]:
    """Return the complete members of the first array in `torn`; see `split_rows`."""
    return split_rows(torn)[0]


def split_rows(torn: bytes) -> tuple[list[Any], str]:
    """Return the complete members of the first array in `torn`, the beginning of a JSON object, and the text of the one
    that is torn; [] and "" if there is none.

    Whole numbers of any size are exact, as in `replication.jsontext`.
    """
    # A character may be torn as well; it belongs to the last row, which is not whole.
    text = torn.decode("utf-8", errors="ignore")
    place = text.find("[") + 1
    rows: list[Any] = []
    while place:
        while place < len(text) and text[place] in _BETWEEN:
            place += 1
        try:
            row, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        rows.append(row)
    return rows, text[place:] if place else ""
