"""Positions in the feed as text: "<n>-<epoch8>".

An epoch is one unbroken life of a database. A restored or cloned file begins a new one at the seq it woke up with,
so "7-aaaaaaaa" and "7-bbbbbbbb" may name different changes. The table `epochs` remembers where each began.
"""

from __future__ import annotations

import re
import secrets
import sqlite3

from replication.document import Seq
from replication.errors import BadRequest

# 18 digits fit SQLite's 64-bit integers; a foreign seq may carry any tail (CouchDB's is 170 bytes of base64).
_SEQ = re.compile(r"(\d{1,18})(?:-([0-9A-Za-z_=+/-]{1,4096}))?", re.ASCII)


def build_epoch() -> str:
    """Return 8 hex digits for a new epoch."""
    return secrets.token_hex(4)


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


def resolve_since(conn: sqlite3.Connection, since: str, epoch: str, update_seq: int) -> int:
    """Return the seq to read on from, in today's numbers.

    A seq of this epoch is taken as it is, one of an earlier epoch no further than the point where that epoch ended.
    Anything else was never ours, or is ahead of us because this database went back without our noticing: both are
    read from 0, because the cost is a comparison and the alternative is a silent hole.
    """
    number, of_epoch = parse_seq(since)
    if number == 0:
        return 0
    if of_epoch == epoch:
        return number if number <= update_seq else 0
    fork = conn.execute(
        "SELECT min(later.from_seq) FROM epochs AS own JOIN epochs AS later ON later.ord > own.ord WHERE own.epoch = ?",
        (of_epoch,),
    ).fetchone()[0]
    return 0 if fork is None else min(number, fork)
