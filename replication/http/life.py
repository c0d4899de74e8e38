"""`Tram-Life`: which life of this server has answered.

A life begins with the process and with the identity of the store behind it. Whoever has been told another one knows
that what it was told before may be gone: a backup may have been laid over the files in between (decision 0175). 32
random bits; they name nothing and prove nothing.
"""

from __future__ import annotations

import hashlib
import secrets

from replication.http.exchange import Exchange

HEADER = "Tram-Life"
_PROCESS = secrets.token_bytes(16)


def build_life(uuid: str) -> str:
    """Return the life of this process over the store of that uuid: 8 hex digits."""
    return hashlib.sha256(_PROCESS + uuid.encode()).hexdigest()[:8]


def life_header(x: Exchange) -> dict[str, str]:
    """Return the header for answers by which peers tell how far they got."""
    return {HEADER: build_life(x.access.uuid)}
