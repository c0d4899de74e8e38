"""Positions in the feed as text: "<n>-<epoch8>".

An epoch counts the changes of one opening of a database (`replication.sqlite.epochs`). A restored or cloned file goes
on in a new one from the seq it woke up with, so "7-aaaaaaaa" and "7-bbbbbbbb" may name different changes. The table
`epochs` remembers where each began.
"""

from __future__ import annotations

import re
import secrets
import time

from replication.document import Seq
from replication.errors import BadRequest

# 18 digits fit SQLite's 64-bit integers; a foreign seq may carry any tail (CouchDB's is 170 bytes of base64).
_SEQ = re.compile(r"(\d{1,18})(?:-([0-9A-Za-z_=+/-]{1,4096}))?", re.ASCII)


def build_epoch() -> str:
    """Return 8 hex digits for a new epoch."""
    return secrets.token_hex(4)


def build_instance_start() -> str:
    """Return now in microseconds as text."""
    return str(time.time_ns() // 1000)


def build_seq(number: int, epoch: str) -> Seq:
    return Seq(f"{number}-{epoch}")


def parse_seq(seq: str) -> tuple[int, str]:
    """Return (number, epoch) of a seq, the epoch empty where there is none.

    Raises `BadRequest` for text that is no seq. "now" is none: the HTTP layer asks `Database.info` for it.
    """
    found = _SEQ.fullmatch(str(seq))
    if not found:
        raise BadRequest(f"Malformed sequence supplied in 'since' parameter: {str(seq)[:64]!r}")
    return int(found[1]), found[2] or ""
