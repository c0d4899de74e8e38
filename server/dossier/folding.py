"""Text as it is searched: without diacritics, in small letters.

People type names on phones without tone marks, and old and new tone placement differ (hòa, hoà). Signed text is never
changed: folding serves the index and the query alone.
"""

from __future__ import annotations

import unicodedata

# Letters that NFD does not take apart.
_LETTERS = str.maketrans({"đ": "d", "Đ": "d", "ð": "d", "Ð": "d", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "ı": "i"})


def fold_text(text: str) -> str:
    """Return `text` for search: "Nguyễn Thị Ánh  Đào" → "nguyen thi anh dao". Runs of spaces become one."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", bare).casefold().split())
