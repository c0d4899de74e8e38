"""How large things may be before the embedded store refuses them."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DATABASE_NAME = 238  # CouchDB's; with our longest suffix a file name stays within 255 bytes
MAX_ID_BYTES = 8192  # CouchDB's is configurable and unset; an id is also a key in an index and a part of URLs
MAX_PATH = 20_000  # 20 times the default revs_limit: nobody's honest history is longer


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds a caller may choose. `body_bytes` and `attachment_bytes` default to CouchDB's max_document_size and to
    a quarter of its max_attachment_size, because an attachment passes through memory whole."""

    body_bytes: int = 8_000_000
    attachment_bytes: int = 256 * 1024 * 1024
