"""What is not document traffic: purge, compaction, local documents, the check of a whole file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from replication.document import DocId, Rev
from replication.errors import BadRequest, NotFound, StoreError, TooLarge
from replication.revtree import parse_node, parse_tree
from replication.sqlite.connections import Connections
from replication.sqlite.drafts import Drafts
from replication.sqlite.epochs import Tenure
from replication.sqlite.files import sync_directory, sync_file
from replication.sqlite.limits import MAX_ID_BYTES, Limits
from replication.sqlite.packing import unpack_body
from replication.sqlite.rows import parse_atts, read_state
from replication.sqlite.seqs import build_seq
from replication.sqlite.writing import compact_document, purge_leaves
from replication.store import PurgeResult

_COMPACT_STEP = 200  # documents per transaction, so that writers wait milliseconds
_VACUUM_STEP = 2000  # pages


def purge(conn: sqlite3.Connection, wanted: Mapping[DocId, Sequence[Rev]], tenure: Tenure) -> PurgeResult:
    conn.execute("PRAGMA secure_delete = ON")  # what is purged is meant to be gone from the disk as well
    drafts = Drafts(conn, tenure)
    drafts.load(wanted)
    purged: dict[DocId, tuple[Rev, ...]] = {}
    for doc_id, revs in wanted.items():
        draft = drafts.find(doc_id)
        purged[doc_id] = purge_leaves(drafts, draft, revs) if draft else ()
        for rev in () if draft else revs:
            parse_node(rev)
    drafts.flush()
    done = sum(1 for revs in purged.values() if revs)
    conn.execute("UPDATE state SET purge_seq = purge_seq + ?", (done,))
    conn.execute("PRAGMA secure_delete = OFF")
    return PurgeResult(build_seq(drafts.state.purge_seq + done, read_state(conn).epoch), purged)


def compact(connections: Connections, tenure: Tenure) -> None:
    after = 0
    while after >= 0:
        after = connections.write(partial(_compact_some, after=after, tenure=tenure))
    while connections.exclusively(_vacuum_some):
        pass
    connections.exclusively(lambda conn: conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())


def _compact_some(conn: sqlite3.Connection, after: int, tenure: Tenure) -> int:
    """Return the seq up to which edited documents are compacted now, -1 when there are no more."""
    sql = "SELECT seq, id FROM docs WHERE tree IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?"
    rows = conn.execute(sql, (after, _COMPACT_STEP)).fetchall()
    drafts = Drafts(conn, tenure)
    drafts.load(doc_id for _, doc_id in rows)
    for _, doc_id in rows:
        if draft := drafts.find(doc_id):
            compact_document(drafts, draft)
    drafts.flush(move=False)
    return int(rows[-1][0]) if rows else -1


def _vacuum_some(conn: sqlite3.Connection) -> bool:
    """Give some free pages back to the file system; return whether there were more."""
    conn.execute(f"PRAGMA incremental_vacuum({_VACUUM_STEP})").fetchall()
    return bool(conn.execute("PRAGMA freelist_count").fetchone()[0])


def check_local(local_id: str, body: bytes, limits: Limits) -> None:
    """Raise `BadRequest` or `TooLarge` for a local document that cannot be stored."""
    if not local_id:
        raise BadRequest("Invalid _local document id.")
    if len(local_id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise BadRequest("Document id is too long")
    if len(body) > limits.body_bytes:
        raise TooLarge(f"_local/{local_id} is {len(body)} bytes, the limit is {limits.body_bytes}")


def put_local(conn: sqlite3.Connection, local_id: str, body: bytes) -> Rev:
    number = conn.execute(
        "INSERT INTO localdocs VALUES (?, 1, ?) "
        "ON CONFLICT (id) DO UPDATE SET rev = rev + 1, body = excluded.body RETURNING rev",
        (local_id, body),
    ).fetchone()[0]
    return Rev(f"0-{number}")


def delete_local(conn: sqlite3.Connection, local_id: str) -> None:
    if not conn.execute("DELETE FROM localdocs WHERE id = ?", (local_id,)).rowcount:
        raise NotFound("missing")


def copy_database(conn: sqlite3.Connection, path: Path) -> None:
    """Write what `conn` sees to a new file, whole and fsynced or not at all."""
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup does not write over another")
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    target = sqlite3.connect(part, isolation_level=None)
    try:
        conn.backup(target)
        target.execute("PRAGMA journal_mode = WAL")  # what every database of a store is in
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except BaseException:
        target.close()
        part.unlink(missing_ok=True)
        raise
    target.close()
    sync_file(part)
    part.rename(path)
    sync_directory(path.parent)


def check(conn: sqlite3.Connection) -> list[str]:
    """Return what is wrong: SQLite's own findings, then where tables contradict each other."""
    found = [row[0] for row in conn.execute("PRAGMA integrity_check") if row[0] != "ok"]
    state = read_state(conn)
    counts = conn.execute("SELECT total(deleted = 0), total(deleted = 1), coalesce(max(seq), 0) FROM docs").fetchone()
    if (state.doc_count, state.del_count) != counts[:2]:
        found.append(f"state counts {state.doc_count} and {state.del_count} documents, docs holds {counts[:2]}")
    if counts[2] > state.update_seq:
        found.append(f"docs holds seq {counts[2]}, state ends at {state.update_seq}")
    vacated = conn.execute("SELECT total(vacated) FROM gaps").fetchone()[0]
    if state.update_seq - vacated != counts[0] + counts[1]:
        found.append(f"{state.update_seq} seqs, {vacated} vacated, but {counts[0] + counts[1]} documents")
    return found + _check_bodies(conn)


def _is_readable(stored: bytes) -> bool:
    try:
        unpack_body(stored)
    except StoreError:
        return False
    return True


def _check_bodies(conn: sqlite3.Connection) -> list[str]:
    wanted: set[int] = set()
    for body, tree in conn.execute("SELECT body, tree FROM docs"):
        wanted.update([body] if tree is None else [held.body for held in parse_tree(tree).held.values()])
    refs: dict[int, int] = {}
    stored = set()
    unreadable = 0
    for body, json, atts in conn.execute("SELECT body, json, atts FROM bodies"):
        stored.add(body)
        unreadable += not _is_readable(json)
        for att in parse_atts(atts):
            refs[att.blob] = refs.get(att.blob, 0) + 1
    found = [f"{unreadable} stored documents cannot be read"] if unreadable else []
    if wanted != stored:
        found.append(f"{len(wanted - stored)} bodies are missing, {len(stored - wanted)} belong to no document")
    if refs != dict(conn.execute("SELECT blob, refs FROM blobs JOIN blob_data USING (blob)")):
        found.append("the counts of attachment blobs do not agree with the bodies that refer to them")
    return found
