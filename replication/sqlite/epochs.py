"""Epochs: whose writes a seq counts, so that two files that went different ways never give one seq to two changes.

A process that opens a database begins an epoch with its first change there. So the copy in a backup, a disk image or a
snapshot never goes on in the epoch it was copied in: whoever brings it up writes in one of their own, and a seq given
out after the copy was taken is either of an epoch the copy has never heard of, or beyond the point where that epoch
ends in it. `resolve_since` says what each is answered with.
"""

from __future__ import annotations

import sqlite3

from replication.sqlite.seqs import build_epoch, build_instance_start, parse_seq


class Tenure:
    """One opening of a database by one process. `epoch` is given only to who has just created the file."""

    def __init__(self, epoch: str = "") -> None:
        self._epoch = epoch

    def assert_epoch(self, conn: sqlite3.Connection) -> None:
        """Begin an epoch unless this opening has done so; inside the transaction whose changes it is to count.

        The file is asked each time: if that transaction was rolled back, or the file itself under our hands, the epoch
        is gone with it and another one is drawn.
        """
        if self._epoch and conn.execute("SELECT 1 FROM epochs WHERE epoch = ?", (self._epoch,)).fetchone():
            return
        self._epoch = _begin(conn)


def begin_life(conn: sqlite3.Connection) -> None:
    """Start a new epoch and a new instance where the database stands, inside the caller's transaction.

    For a copy that is known to be one. An opening changes no `instance_start_time`: CouchDB's replicator gives up when
    that moves between two of its requests.
    """
    _begin(conn)
    conn.execute("UPDATE state SET instance_start = ?", (build_instance_start(),))


def _begin(conn: sqlite3.Connection) -> str:
    epoch = build_epoch()
    conn.execute("INSERT INTO epochs (epoch, from_seq) SELECT ?, update_seq FROM state", (epoch,))
    conn.execute("UPDATE state SET epoch = ?", (epoch,))
    return epoch


def find_end(conn: sqlite3.Connection, epoch: str) -> int | None:
    """Return the last seq of an epoch in this file, None for one it has never heard of."""
    row = conn.execute("SELECT ord FROM epochs WHERE epoch = ?", (epoch,)).fetchone()
    if row is None:
        return None
    later = conn.execute("SELECT from_seq FROM epochs WHERE ord > ? ORDER BY ord LIMIT 1", row).fetchone()
    end: int = (later or conn.execute("SELECT update_seq FROM state").fetchone())[0]
    return end


def resolve_since(conn: sqlite3.Connection, since: str, epoch: str, update_seq: int) -> int:
    """Return the seq to read on from, in today's numbers.

    A seq of this epoch is taken as it is, one of an earlier epoch no further than the point where that epoch ended
    here. Anything else was never ours, or is ahead of us because this database went back and nothing was written since:
    both are read from 0, because the cost is a comparison and the alternative is a silent hole.
    """
    number, of_epoch = parse_seq(since)
    if number == 0:
        return 0
    if of_epoch == epoch:
        return number if number <= update_seq else 0
    end = find_end(conn, of_epoch)
    return 0 if end is None else min(number, end)
