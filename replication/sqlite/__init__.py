"""The embedded engine: `SqliteStore`, one SQLite file per database, nothing to install or run.

names, seqs, limits     what is legal
schema, rows, packing   the tables, their rows as values, bodies at rest
connections, roster     one writer that groups commits, many readers; not too many files open
reading, feed           queries inside a read transaction
drafts, blobs, writing  changes inside a write transaction
upkeep                  purge, compaction, local documents, the check of a file
epochs                  whose writes a seq counts: no two files continue the same
identity                noticing copies and rollbacks
database, store         the two Protocols of `replication.store`
"""

from replication.sqlite.database import SqliteDatabase
from replication.sqlite.limits import Limits
from replication.sqlite.store import SqliteStore

__all__ = ["Limits", "SqliteDatabase", "SqliteStore"]
