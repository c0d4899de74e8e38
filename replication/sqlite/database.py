"""One database in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import BadRequest, NotFound, StoreError
from replication.sqlite import feed, reading, upkeep, writing
from replication.sqlite.connections import Connections
from replication.sqlite.epochs import Tenure, begin_life, find_end
from replication.sqlite.identity import Mark
from replication.sqlite.limits import Limits
from replication.sqlite.roster import Roster
from replication.sqlite.rows import read_state
from replication.sqlite.seqs import build_seq, parse_seq
from replication.store import (
    ZERO,
    AllDocsPage,
    AllDocsQuery,
    ChangesPage,
    DatabaseInfo,
    GetRequest,
    JsonObject,
    LocalDoc,
    MissingRev,
    PurgeResult,
    RevInfo,
    RevsDiff,
    WriteResult,
)

POLL_S = 0.25  # how soon a change made by another process is seen


class SqliteDatabase:
    """`replication.store.Database` over one SQLite file. `SqliteStore` makes these."""

    def __init__(
        self, name: str, path: Path, limits: Limits, roster: Roster | None = None, tenure: Tenure | None = None
    ) -> None:
        self._name = name
        self._limits = limits
        self._tenure = tenure or Tenure()
        self._mark = Mark(path.with_name(path.name + ".mark"))
        self._connections = Connections(path, self._note_commit, roster or Roster())
        self._changed = threading.Condition()
        self._commits = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> Path:
        """The file."""
        return self._connections.path

    def info(self) -> DatabaseInfo:
        with self._connections.reading() as conn:
            state = read_state(conn)
            pages, free, size = (
                conn.execute(f"PRAGMA {pragma}").fetchone()[0]
                for pragma in ("page_count", "freelist_count", "page_size")
            )
        return DatabaseInfo(
            name=self._name,
            doc_count=state.doc_count,
            doc_del_count=state.del_count,
            update_seq=build_seq(state.update_seq, state.epoch),
            purge_seq=build_seq(state.purge_seq, state.epoch),
            instance_start_time=state.instance_start,
            disk_size=_size_of(self.path) + _size_of(self.path.with_name(self.path.name + "-wal")),
            data_size=(pages - free) * size,
        )

    # Reading

    def get(
        self,
        doc_id: DocId,
        rev: Rev | None = None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> Doc:
        with self._connections.reading() as conn:
            return reading.get(conn, doc_id, rev, latest=latest, want=reading.Bytes(attachments, atts_since))

    def open_revs(
        self,
        doc_id: DocId,
        revs: Sequence[Rev] | None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> list[Doc | MissingRev]:
        with self._connections.reading() as conn:
            return reading.open_revs(conn, doc_id, revs, latest=latest, want=reading.Bytes(attachments, atts_since))

    def bulk_get(
        self, requests: Sequence[GetRequest], *, latest: bool = False, attachments: bool = False
    ) -> list[list[Doc | MissingRev]]:
        with self._connections.reading() as conn:
            return reading.bulk_get(conn, requests, latest=latest, attachments=attachments)

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        with self._connections.reading() as conn:
            return tuple((leaf.rev, leaf.deleted) for leaf in reading.read_leaves(conn, doc_id))

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        with self._connections.reading() as conn:
            return reading.revs_info(conn, doc_id, rev)

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        with self._connections.reading() as conn:
            return reading.read_attachment(conn, doc_id, name, rev)

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        with self._connections.reading() as conn:
            return reading.all_docs(conn, query)

    def changes(
        self,
        since: Seq = ZERO,
        *,
        limit: int | None = None,
        descending: bool = False,
        doc_ids: Sequence[DocId] | None = None,
    ) -> ChangesPage:
        with self._connections.reading() as conn:
            return feed.changes(conn, since, limit=limit, descending=descending, doc_ids=doc_ids)

    def wait_for_change(self, since: Seq, timeout_s: float) -> bool:
        parse_seq(since)
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self._commits
            with self._connections.reading() as conn:
                if feed.has_change(conn, since):
                    return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                if self._commits == seen:  # else one came between the look and the wait: look again
                    self._changed.wait(min(left, POLL_S))

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        with self._connections.reading() as conn:
            return feed.revs_diff(conn, wanted)

    # Writing

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        if not docs:
            return []
        return self._connections.write(
            lambda conn: writing.store_batch(conn, docs, self._limits, self._tenure, new_edits=new_edits)
        )

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        return self._connections.write(lambda conn: upkeep.purge(conn, wanted, self._tenure))

    def compact(self) -> None:
        upkeep.compact(self._connections, self._tenure)

    def set_revs_limit(self, limit: int) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit < 1 << 31:
            raise BadRequest("revs_limit must be a positive integer")
        self._connections.write(lambda conn: conn.execute("UPDATE state SET revs_limit = ?", (limit,)) and None)

    def revs_limit(self) -> int:
        with self._connections.reading() as conn:
            return read_state(conn).revs_limit

    def security(self) -> JsonObject:
        with self._connections.reading() as conn:
            found: JsonObject = orjson.loads(conn.execute("SELECT security FROM state").fetchone()[0])
        return found

    def set_security(self, security: JsonObject) -> None:
        try:
            stored = orjson.dumps(security)
        except TypeError as exc:
            raise BadRequest(f"the security object is not JSON: {exc}") from exc
        self._connections.write(lambda conn: conn.execute("UPDATE state SET security = ?", (stored,)) and None)

    # Local documents

    def get_local(self, local_id: str) -> LocalDoc:
        with self._connections.reading() as conn:
            row = conn.execute("SELECT rev, body FROM localdocs WHERE id = ?", (local_id,)).fetchone()
        if row is None:
            raise NotFound("missing")
        return LocalDoc(local_id, Rev(f"0-{row[0]}"), row[1])

    def put_local(self, local_id: str, body: bytes) -> Rev:
        upkeep.check_local(local_id, body, self._limits)
        return self._connections.write(lambda conn: upkeep.put_local(conn, local_id, body))

    def delete_local(self, local_id: str) -> None:
        self._connections.write(lambda conn: upkeep.delete_local(conn, local_id))

    def local_docs(self) -> Iterator[LocalDoc]:
        with self._connections.reading() as conn:
            rows = conn.execute("SELECT id, rev, body FROM localdocs ORDER BY id").fetchall()
        for local_id, rev, body in rows:
            yield LocalDoc(local_id, Rev(f"0-{rev}"), body)

    # Beyond the Protocol

    def check(self) -> list[str]:
        """Return what is wrong with the file, one finding a line; nothing when it is sound. Reads all of it."""
        with self._connections.reading() as conn:
            return upkeep.check(conn)

    def backup(self, path: Path) -> None:
        """Write a copy of this instant to `path`, which must not exist, while reading and writing go on.

        Raises `StorageFull`. The copy is fsynced; a directory of such copies opens as a store with its own uuid.
        """
        with self._connections.reading() as conn:
            upkeep.copy_database(conn, path)

    def begin_life(self) -> None:
        """Declare that this database continues a restored or copied one: later seqs are told from earlier ones."""
        self._connections.write(begin_life)

    def is_rolled_back(self) -> bool:
        """Return whether this file is older than what it has been: behind its mark, or of another life."""
        mark = self._mark.read()  # before the database, which can only be newer then
        if mark is None:
            return False
        with self._connections.reading() as conn:
            end = find_end(conn, mark[0])
        return end is None or mark[1] > end

    def close(self, reason: StoreError) -> None:
        """Release the file; later calls raise `reason`, callers that wait are woken."""
        self._connections.close(reason)
        self._mark.close()
        self._wake()

    def _note_commit(self, conn: sqlite3.Connection) -> None:
        self._mark.write(*conn.execute("SELECT epoch, update_seq FROM state").fetchone())
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._commits += 1
            self._changed.notify_all()


def _size_of(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  # one call a poll of GET /db; Path.stat costs three times as much
    except FileNotFoundError:
        return 0
