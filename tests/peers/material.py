"""Documents of every shape that replication has to carry: edited, conflicting, deleted, stemmed, with attachments."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

TEXT = "Giấy khai sinh số 12, xã Tân Lập. " * 40
Document = dict[str, Any]


def build_hash(*words: object) -> str:
    """Return 32 hex digits made of `words`."""
    return hashlib.md5(repr(words).encode(), usedforsecurity=False).hexdigest()


def build_bytes(seed: str, size: int) -> bytes:
    """Return bytes that no compression makes smaller, the same each time."""
    return hashlib.shake_128(seed.encode()).digest(size)


def build_file(data: bytes, content_type: str = "application/octet-stream") -> dict[str, Any]:
    """Return an attachment as it is sent."""
    return {"content_type": content_type, "data": base64.b64encode(data).decode()}


def build_revision(doc_id: str, *path: str, generation: int | None = None, **members: Any) -> Document:
    """Return a revision for `new_edits: false`. `path` names its ancestors too, newest first, by any words."""
    ids = [build_hash(doc_id, word) for word in path]
    start = generation or len(path)
    return {"_id": doc_id, "_rev": f"{start}-{ids[0]}", "_revisions": {"start": start, "ids": ids}, **members}


def build_mixture(prefix: str) -> list[Document]:
    """Return revisions of some thirty documents, so that each kind is there more than once."""
    docs = [build_revision(f"{prefix}-plain-{n}", "a", n=n, text=TEXT[:n]) for n in range(20)]
    for n in range(3):
        tree = f"{prefix}-tree-{n}"
        docs += [
            build_revision(tree, "c", "b", "a", branch="long"),
            build_revision(tree, f"x{n}", "a", branch="short"),
            build_revision(tree, "d", "y", "a", branch="dead", _deleted=True),
        ]
        docs.append(build_revision(f"{prefix}-gone-{n}", "b", "a", _deleted=True, reason="trùng hồ sơ"))
        # Two roots: the histories were stemmed away before they met.
        stemmed = f"{prefix}-stemmed-{n}"
        docs.append(build_revision(stemmed, "p9", "p8", "p7", generation=9, from_="one"))
        docs.append(build_revision(stemmed, "q5", "q4", generation=5, from_="other"))
        docs.append(_build_with_files(f"{prefix}-files-{n}"))
    docs.append(build_revision(f"{prefix}-ký tự/ + ?&#%", "a", text="đường dẫn"))
    return docs


def _build_with_files(doc_id: str) -> Document:
    files = {
        "ảnh quét 1.bin": build_file(build_bytes(doc_id, 40_000)),
        "thuyết minh.txt": build_file(TEXT.encode(), "text/plain; charset=utf-8"),
        "empty": build_file(b""),
    }
    return build_revision(doc_id, "b", "a", _attachments=files)
