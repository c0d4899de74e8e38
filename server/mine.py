"""`/db/mine`: a database that is not there. It holds, for each person, what that person may see, and nothing of others.

How each part of the protocol is answered:

    feed    `server.minefeed`, what became visible to this person, in that order: a dossier that becomes somebody's
            later arrives whole, at the end of the feed, whatever its events' places in the real databases are
    reads   by the real databases, for ids that are in the person's feed and no others
    writes  through the intake, for events by that person and no others
    _local  from `node.db`, the person's own: replicators keep their checkpoints there
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Unpack

from crypto import strictjson
from crypto.errors import CryptoError
from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import BadRequest, Forbidden, NotFound
from replication.store import (
    ZERO,
    AllDocsPage,
    AllDocsQuery,
    AllDocsRow,
    BulkReadOptions,
    ChangeRow,
    ChangesPage,
    DatabaseInfo,
    GetRequest,
    JsonObject,
    LocalDoc,
    MissingRev,
    PurgeResult,
    ReadOptions,
    RevInfo,
    RevsDiff,
    Store,
    WriteResult,
)
from server.dossier import units
from server.dossier.event import is_dossier_stream
from server.errors import Refused
from server.intake.door import Intake
from server.intake.events import MAX_BODY_BYTES, MAX_BODY_DEPTH
from server.intake.source import Source
from server.minefeed import MineFeed
from server.nodedb import NodeDb
from server.readmodel.model import ReadModel

NAME = "mine"

MAX_LOCAL_DOCS = 64  # a replicator keeps one per direction and peer
MAX_LOCAL_BYTES = 64 * 1024


class MineDatabase:
    """`replication.store.Database` of one subject."""

    def __init__(
        self, subject: str, feed: MineFeed, db: NodeDb, store: Store, intake: Intake, model: ReadModel
    ) -> None:
        self._subject = subject
        self._feed = feed
        self._db = db
        self._store = store
        self._intake = intake
        self._model = model

    @property
    def name(self) -> str:
        return NAME

    def info(self) -> DatabaseInfo:
        row = self._db.row("SELECT count(*), coalesce(max(seq), 0) FROM mine WHERE subject = ?", (self._subject,))
        count, last = (row[0], row[1]) if row else (0, 0)
        return DatabaseInfo(NAME, count, 0, self._seq(last), ZERO, self._feed.made, 0, 0)

    # Reading

    # An event has one revision and no attachments: what `ReadOptions` ask for makes no difference.

    def get(self, doc_id: DocId, rev: Rev | None = None, **_: Unpack[ReadOptions]) -> Doc:
        row = self._visible(doc_id)
        if row is None or (rev is not None and rev != row["rev"]):
            raise NotFound("missing")
        return self._store.open(row["database"]).get(doc_id, Rev(row["rev"]))

    def open_revs(self, doc_id: DocId, revs: Sequence[Rev] | None, **_: Unpack[ReadOptions]) -> list[Doc | MissingRev]:
        row = self._visible(doc_id)
        if revs is None:
            return [self.get(doc_id)] if row else []
        known = row["rev"] if row else None
        return [self.get(doc_id) if rev == known else MissingRev(doc_id, rev) for rev in revs]

    def bulk_get(self, requests: Sequence[GetRequest], **_: Unpack[BulkReadOptions]) -> list[list[Doc | MissingRev]]:
        return [[self._get_or_missing(request)] for request in requests]

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        return ((self._visible_rev(doc_id), False),)

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        known = self._visible_rev(doc_id)
        if rev is not None and rev != known:
            raise NotFound("missing")
        return (RevInfo(known, "available"),)

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        raise NotFound("Document is missing attachment")  # events have none

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        found = self._db.rows("SELECT doc_id, rev FROM mine WHERE subject = ? ORDER BY doc_id", (self._subject,))
        revs = {row["doc_id"]: Rev(row["rev"]) for row in found}
        if query.keys is not None:
            keyed = tuple(AllDocsRow(DocId(key), revs.get(key)) for key in query.keys)
            return AllDocsPage(keyed, len(revs), None)
        ids = sorted(revs, reverse=query.descending)
        inside = [each for each in ids if _is_inside(each, query)]
        before = ids.index(inside[0]) if inside else len(ids)
        taken = inside[query.skip :][: query.limit]
        return AllDocsPage(tuple(AllDocsRow(DocId(each), revs[each]) for each in taken), len(ids), before + query.skip)

    def changes(
        self,
        since: Seq = ZERO,
        *,
        limit: int | None = None,
        descending: bool = False,
        doc_ids: Sequence[DocId] | None = None,
    ) -> ChangesPage:
        if descending:
            return self._changes_backwards(limit, doc_ids)
        after = self._parse_seq(since)
        rows = self._rows(after, doc_ids)
        taken = rows if limit is None else rows[:limit]
        last = after
        if len(taken) < len(rows):
            last = taken[-1]["seq"] if taken else after
        elif newest := self._db.row("SELECT max(seq) FROM mine WHERE subject = ?", (self._subject,)):
            last = max(after, newest[0] or 0)
        return ChangesPage(self._change_rows(taken), self._seq(last), len(rows) - len(taken))

    def _changes_backwards(self, limit: int | None, doc_ids: Sequence[DocId] | None) -> ChangesPage:
        rows = self._rows(0, doc_ids)[::-1]
        taken = rows if limit is None else rows[:limit]
        last = self._seq(taken[-1]["seq"]) if taken else ZERO
        return ChangesPage(self._change_rows(taken), last, len(rows) - len(taken))

    def _rows(self, after: int, doc_ids: Sequence[DocId] | None) -> list[sqlite3.Row]:
        """One person's feed is some hundred rows, so it is read whole."""
        rows = self._db.rows(
            "SELECT seq, doc_id, rev FROM mine WHERE subject = ? AND seq > ? ORDER BY seq", (self._subject, after)
        )
        wanted = None if doc_ids is None else frozenset(doc_ids)
        return [row for row in rows if wanted is None or row["doc_id"] in wanted]

    def _change_rows(self, rows: Sequence[sqlite3.Row]) -> tuple[ChangeRow, ...]:
        return tuple(ChangeRow(self._seq(row["seq"]), DocId(row["doc_id"]), (Rev(row["rev"]),), False) for row in rows)

    def wait_for_change(self, since: Seq, timeout_s: float) -> bool:
        return self._feed.wait(self._subject, self._parse_seq(since), timeout_s)

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        """What is stored but not visible to this person counts as missing: whether it exists is not theirs to know."""
        diffs = {}
        for doc_id, revs in wanted.items():
            row = self._visible(doc_id)
            missing = tuple(rev for rev in revs if row is None or rev != row["rev"])
            if missing:
                diffs[doc_id] = RevsDiff(missing)
        return diffs

    # Writing

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        """Admit the person's own events, each into the database of the unit it names, if that is this node's."""
        results: dict[int, WriteResult] = {}
        by_database: dict[str, list[int]] = {}
        for i, doc in enumerate(docs):
            name = self._target(doc)
            if name is None:
                error = Forbidden("wrong_database: events for a unit whose dossiers this node does not hold")
                results[i] = WriteResult(doc.id, error=error)
            else:
                by_database.setdefault(name, []).append(i)
        source = Source("person", self._subject)
        for name, places in by_database.items():
            admitted = self._intake.admit(name, [docs[i] for i in places], source=source)
            results |= dict(zip(places, admitted, strict=True))
            self._model.follower.catch_up(name)  # so that the writer finds in the feed what was just written
        return [results[i] for i in range(len(docs))]

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        raise Forbidden("not_immutable: nothing is ever removed from here")

    def compact(self) -> None:
        """Do nothing: there is nothing here to compact."""

    def set_revs_limit(self, limit: int) -> None:
        raise Forbidden("forbidden: this database has no settings")

    def revs_limit(self) -> int:
        return 1

    def security(self) -> JsonObject:
        return {}

    def set_security(self, security: JsonObject) -> None:
        raise Forbidden("forbidden: this database has no settings")

    # Local documents

    def get_local(self, local_id: str) -> LocalDoc:
        row = self._db.row("SELECT n, body FROM mine_local WHERE subject = ? AND id = ?", (self._subject, local_id))
        if row is None:
            raise NotFound("missing")
        return LocalDoc(local_id, Rev(f"0-{row['n']}"), row["body"])

    def put_local(self, local_id: str, body: bytes) -> Rev:
        if len(body) > MAX_LOCAL_BYTES or len(local_id) > 256:
            raise Forbidden(f"too_large: a _local document here takes at most {MAX_LOCAL_BYTES} bytes")
        with self._db.transaction() as connection:
            held = connection.execute("SELECT count(*) FROM mine_local WHERE subject = ?", (self._subject,)).fetchone()
            if held[0] >= MAX_LOCAL_DOCS:  # the oldest belongs to a replicator that is long gone
                connection.execute(
                    "DELETE FROM mine_local WHERE rowid = (SELECT min(rowid) FROM mine_local WHERE subject = ?)",
                    (self._subject,),
                )
            connection.execute(
                "INSERT INTO mine_local VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET n = n + 1, body = excluded.body",
                (self._subject, local_id, body),
            )
        return self.get_local(local_id).rev

    def delete_local(self, local_id: str) -> None:
        with self._db.transaction() as connection:
            done = connection.execute(
                "DELETE FROM mine_local WHERE subject = ? AND id = ?", (self._subject, local_id)
            ).rowcount
        if not done:
            raise NotFound("missing")

    def local_docs(self) -> Iterator[LocalDoc]:
        rows = self._db.rows("SELECT id, n, body FROM mine_local WHERE subject = ? ORDER BY id", (self._subject,))
        return (LocalDoc(row["id"], Rev(f"0-{row['n']}"), row["body"]) for row in rows)

    # Inside

    def _visible(self, doc_id: str) -> sqlite3.Row | None:
        return self._db.row("SELECT rev, database FROM mine WHERE subject = ? AND doc_id = ?", (self._subject, doc_id))

    def _visible_rev(self, doc_id: str) -> Rev:
        row = self._visible(doc_id)
        if row is None:
            raise NotFound("missing")
        return Rev(row["rev"])

    def _get_or_missing(self, request: GetRequest) -> Doc | MissingRev:
        try:
            return self.get(request.id, request.rev)
        except NotFound as exc:
            return MissingRev(request.id, request.rev, exc.reason)

    def _target(self, doc: Doc) -> str | None:
        """Return the database an event is for: that of the dossier if it is known here, else of the unit it names."""
        stream = doc.id.partition(":")[0]
        row = self._model.queries.dossier(stream) if is_dossier_stream(stream) else None
        if row is not None:
            return row.database
        name = _unit_database(doc)
        return name if name is not None and name in self._store.names() else None

    def _seq(self, number: int) -> Seq:
        return Seq(f"{number}-{self._feed.epoch}") if number else ZERO

    def _parse_seq(self, seq: Seq) -> int:
        number, _, epoch = seq.partition("-")
        if not number.isascii() or not number.isdigit() or len(number) > 15:
            raise BadRequest("Malformed sequence supplied in 'since' parameter.")
        return int(number) if epoch == self._feed.epoch else 0


def _is_inside(doc_id: str, query: AllDocsQuery) -> bool:
    low, high = (query.end, query.start) if query.descending else (query.start, query.end)
    if (low is not None and doc_id < low) or (high is not None and doc_id > high):
        return False
    return query.inclusive_end or doc_id != query.end


def _unit_database(doc: Doc) -> str | None:
    """Return the database of the unit an event names, None if its body does not say. Intake checks the event itself."""
    try:
        fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)
        return units.database_name(units.parse_unit_code(fields["event"]["unit"]))
    except (CryptoError, Refused, KeyError, TypeError):
        return None
