"""Taking an erased dossier out of the tables: its lines, its words in the index, its files.

The bytes are overwritten (`secure_delete`), and the index is rewritten, since FTS5 keeps deleted words in old segments.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence


def forget_events(connection: sqlite3.Connection, database: str, stream: str, doc_ids: Sequence[str]) -> bool:
    """Forget events of a dossier, in the caller's transaction. Returns whether others of the stream are left; if not,
    the dossier's own line is gone too."""
    connection.execute("PRAGMA secure_delete = ON")
    for table in ("events", "verdicts"):
        connection.executemany(
            f"DELETE FROM {table} WHERE database = ? AND doc_id = ?",  # noqa: S608 - the two names above
            [(database, each) for each in doc_ids],
        )
    connection.execute("DELETE FROM file_refs WHERE stream = ?", (stream,))
    connection.execute("DELETE FROM found WHERE rowid = (SELECT number FROM dossiers WHERE stream = ?)", (stream,))
    left = connection.execute("SELECT 1 FROM events WHERE stream = ? LIMIT 1", (stream,)).fetchone() is not None
    if not left:
        _drop_line(connection, stream)
    connection.execute("INSERT INTO found (found) VALUES ('optimize')")
    connection.execute("PRAGMA secure_delete = OFF")
    return left


def forget_files(connection: sqlite3.Connection, database: str, manifests: Sequence[str]) -> None:
    """Forget manifests of an `f-` database."""
    for table in ("manifests", "awaited"):
        connection.executemany(
            f"DELETE FROM {table} WHERE database = ? AND manifest = ?",  # noqa: S608 - the two names above
            [(database, each) for each in manifests],
        )


def renew_birth(connection: sqlite3.Connection) -> None:
    """Have whoever remembers a number of `updates` go through all dossiers anew."""
    connection.execute("UPDATE meta SET birth = ?", (secrets.token_hex(8),))


def _drop_line(connection: sqlite3.Connection, stream: str) -> None:
    """Remove a dossier's line. Numbers of `updates` are never given twice, or whoever remembers one misses a change:
    the newest line that is left takes a new number, and if none is left the file gets a new birth."""
    row = connection.execute("DELETE FROM dossiers WHERE stream = ? RETURNING updates", (stream,)).fetchone()
    if row is None:
        return
    newest = connection.execute("SELECT stream, updates FROM dossiers ORDER BY updates DESC LIMIT 1").fetchone()
    if newest is None:
        renew_birth(connection)
    elif newest["updates"] < row["updates"]:
        connection.execute("UPDATE dossiers SET updates = ? WHERE stream = ?", (row["updates"] + 1, newest["stream"]))
