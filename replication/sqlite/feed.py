"""The feed of changes, and which revisions of a peer are unknown here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from replication.document import DocId, Rev, Seq
from replication.errors import BadRequest
from replication.revtree import parse_node, parse_tree
from replication.sqlite.epochs import resolve_since
from replication.sqlite.rows import DocRow, read_rows, read_state
from replication.sqlite.schema import GAP_BLOCK
from replication.sqlite.seqs import build_seq, parse_seq
from replication.store import ChangeRow, ChangesPage, RevsDiff

Found = tuple[int, DocId, Rev, int, bytes | None]


def changes(
    conn: sqlite3.Connection, since: Seq, *, limit: int | None, descending: bool, doc_ids: Sequence[DocId] | None
) -> ChangesPage:
    state = read_state(conn)
    if limit is not None and limit < 0:
        raise BadRequest("limit must not be negative")
    if descending:
        parse_seq(since)
        number = 0
    else:
        number = resolve_since(conn, since, state.epoch, state.update_seq)
    pick = doc_ids is not None
    found = _pick(conn, number, doc_ids, descending) if doc_ids is not None else _scan(conn, number, limit, descending)
    chosen = found if limit is None else found[:limit]
    cut = limit is not None and len(chosen) >= limit
    last = state.update_seq
    if cut or descending:
        last = chosen[-1][0] if chosen else number
    if pick:
        pending = len(found) - len(chosen)
    elif not chosen and descending:
        pending = state.doc_count + state.del_count
    elif descending:
        pending = state.doc_count + state.del_count - count_after(conn, last - 1, state.update_seq)
    else:
        pending = count_after(conn, last, state.update_seq) if cut else 0
    return ChangesPage(_build_rows(chosen, state.epoch), build_seq(last, state.epoch), pending)


def _scan(conn: sqlite3.Connection, after: int, limit: int | None, descending: bool) -> list[Found]:
    order = "DESC" if descending else "ASC"
    sql = f"SELECT seq, id, rev, deleted, tree FROM docs WHERE seq > ? ORDER BY seq {order} LIMIT ?"  # noqa: S608  # one of two words
    return conn.execute(sql, (after, -1 if limit is None else limit)).fetchall()


def _pick(conn: sqlite3.Connection, after: int, doc_ids: Iterable[DocId], descending: bool) -> list[Found]:
    rows = read_rows(conn, dict.fromkeys(doc_ids)).values()
    found = [(row.seq, row.id, row.rev, row.deleted, row.tree) for row in rows if row.seq > after]
    return sorted(found, key=lambda row: row[0], reverse=descending)


def _build_rows(found: list[Found], epoch: str) -> tuple[ChangeRow, ...]:
    return tuple(
        ChangeRow(
            Seq(f"{seq}-{epoch}"),
            doc_id,
            (rev,) if tree is None else tuple(leaf.rev for leaf in parse_tree(tree).leaves()),
            deleted == 1,
        )
        for seq, doc_id, rev, deleted, tree in found
    )


def count_after(conn: sqlite3.Connection, seq: int, update_seq: int) -> int:
    """Return how many documents have a seq greater than `seq`.

    Every seq up to `update_seq` holds a document or is counted as vacated in its block of `gaps`, so only the
    block that `seq` is in needs counting row by row.
    """
    if seq >= update_seq:
        return 0
    block = seq // GAP_BLOCK
    block_end = (block + 1) * GAP_BLOCK - 1
    near: int = conn.execute("SELECT count(*) FROM docs WHERE seq > ? AND seq <= ?", (seq, block_end)).fetchone()[0]
    if block_end >= update_seq:
        return near
    vacated: int = conn.execute("SELECT total(vacated) FROM gaps WHERE block > ?", (block,)).fetchone()[0]
    return near + update_seq - block_end - int(vacated)


def has_change(conn: sqlite3.Connection, since: Seq) -> bool:
    """Return whether the feed holds something after `since`."""
    state = read_state(conn)
    number = resolve_since(conn, since, state.epoch, state.update_seq)
    if number >= state.update_seq:
        return False
    return conn.execute("SELECT 1 FROM docs WHERE seq > ? LIMIT 1", (number,)).fetchone() is not None


def revs_diff(conn: sqlite3.Connection, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
    known = read_rows(conn, wanted)
    diff: dict[DocId, RevsDiff] = {}
    for doc_id, revs in wanted.items():
        row = known.get(doc_id)
        lacking = _lacking(row, revs)
        if lacking.missing:
            diff[doc_id] = lacking
    return diff


def _lacking(row: DocRow | None, revs: Sequence[Rev]) -> RevsDiff:
    asked = dict.fromkeys(revs)
    if row is None:
        for rev in asked:
            parse_node(rev)
        return RevsDiff(tuple(asked))
    if len(asked) == 1 and row.rev in asked:
        return RevsDiff(())
    tree = row.build_tree()
    missing = [rev for rev in asked if parse_node(rev) not in tree]
    highest = max((parse_node(rev)[0] for rev in missing), default=0)
    ancestors = tuple(leaf.rev for leaf in tree.leaves() if leaf.node[0] < highest)
    return RevsDiff(tuple(missing), ancestors)
