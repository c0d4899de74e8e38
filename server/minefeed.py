"""What became visible to whom, in which order: the feed under `/db/mine`, noted in `node.db` as it happens.

Visible to a person are the events of the dossiers they filed, and the certificates (pseudonyms all) of those who signed
them, so that the phone can check every step by itself. If somebody else filed under the same stream (an error or an
attempt to look in), each of the two sees their own events alone until an official has settled whose it is.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from server.dossier import units
from server.dossier.dossier import Dossier
from server.errors import Missing
from server.nodedb import NodeDb
from server.pki.documents import certificate_id, certificate_rev
from server.readmodel.documents import HeldEvent
from server.readmodel.model import ReadModel

_LOG = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS mine_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, made TEXT NOT NULL,
    birth TEXT NOT NULL DEFAULT '', updates INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS mine (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, doc_id TEXT NOT NULL, rev TEXT NOT NULL,
    database TEXT NOT NULL, UNIQUE (subject, doc_id));
CREATE INDEX IF NOT EXISTS mine_feed ON mine (subject, seq);
CREATE INDEX IF NOT EXISTS mine_document ON mine (doc_id);
-- What each person's replicators note for themselves (`_local` documents).
CREATE TABLE IF NOT EXISTS mine_local (
    subject TEXT NOT NULL, id TEXT NOT NULL, n INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (subject, id));
"""


class MineFeed:
    """What became visible to whom, in which order. One per node; a `Listener` of the follower."""

    def __init__(self, db: NodeDb, model: ReadModel) -> None:
        self._db = db
        self._model = model
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        db.ensure(SCHEMA)
        with db.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO mine_meta (one, epoch, made) VALUES (1, ?, ?)",
                (secrets.token_hex(4), str(int(datetime.now(UTC).timestamp() * 1_000_000))),
            )
        row = db.row("SELECT epoch, made FROM mine_meta")
        assert row is not None
        self.epoch: str = row["epoch"]
        self.made: str = row["made"]

    def notice(self, streams: set[str]) -> None:
        """Bring the feed up to date (a `Listener` of the follower)."""
        self.catch_up()

    def catch_up(self) -> None:
        """Note for everybody concerned what has become visible since the last time.

        The place in the read model's changes is kept with the entries, so a crash in between loses none. After the read
        model was computed anew all of it is gone through again, and only what is new gets a place in the feed.
        """
        birth = self._model.queries.birth()
        with self._turn:
            row = self._db.row("SELECT birth, updates FROM mine_meta")
            assert row is not None
            updates = row["updates"] if row["birth"] == birth else 0
            while changed := self._model.queries.updated_since(updates):
                updates = changed[-1][1]
                self._add([entry for stream, _ in changed for entry in self._entries(stream)], birth, updates)

    def _entries(self, stream: str) -> Iterator[tuple[str, str, str, str]]:
        try:
            story = self._model.story(stream)
        except Missing:  # its database was removed meanwhile
            return
        except Exception:  # a defect that one dossier brings to light must not stop everybody's feed
            _LOG.exception("dossier %s cannot be folded; nobody is told of its newest change", stream)
            return
        for subject, held in visible(story.dossier, story.events):
            yield subject, certificate_id(held.fingerprint), certificate_rev(held.fingerprint), story.row.database
            yield subject, held.doc_id, held.rev, story.row.database

    def _add(self, entries: list[tuple[str, str, str, str]], birth: str, updates: int) -> None:
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT INTO mine (subject, doc_id, rev, database) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", entries
            )
            connection.execute("UPDATE mine_meta SET birth = ?, updates = ?", (birth, updates))
        with self._changed:
            self._changed.notify_all()

    def forget(self, database: str, doc_ids: Iterable[str], instead: Iterable[HeldEvent] = ()) -> None:
        """Take erased events out of everybody's feed. Whoever saw any of them sees `instead` from now on, with the
        certificates of those who signed that: the order, by which a phone drops what it has. All of it or nothing."""
        gone = list(doc_ids)
        told = [
            (each, rev)
            for held in instead
            for each, rev in (
                (certificate_id(held.fingerprint), certificate_rev(held.fingerprint)),
                (held.doc_id, held.rev),
            )
        ]
        # After a turn of `catch_up` that read the dossier before it was erased, and would enter it again.
        with self._turn, self._db.transaction() as connection:
            sql = "SELECT subject FROM mine WHERE database = ? AND doc_id = ?"
            subjects = {row[0] for each in gone for row in connection.execute(sql, (database, each))}
            connection.executemany(
                "DELETE FROM mine WHERE database = ? AND doc_id = ?", [(database, each) for each in gone]
            )
            connection.executemany(
                "INSERT INTO mine (subject, doc_id, rev, database) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(subject, each, rev, database) for subject in sorted(subjects) for each, rev in told],
            )
        with self._changed:
            self._changed.notify_all()

    def sees(self, subject: str, doc_id: str) -> bool:
        """Say whether a document is in somebody's feed."""
        sql = "SELECT 1 FROM mine WHERE subject = ? AND doc_id = ?"
        return self._db.row(sql, (subject, doc_id)) is not None

    def wait(self, subject: str, after: int, timeout_s: float) -> bool:
        """Return True as soon as the subject's feed holds something after `after`, False after `timeout_s`."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not self._db.row("SELECT 1 FROM mine WHERE subject = ? AND seq > ? LIMIT 1", (subject, after)):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True


def renew_epoch(db: NodeDb) -> None:
    """Have every seq told so far answered from the start: after a restore it may name an entry that is gone."""
    db.ensure(SCHEMA)
    with db.transaction() as connection:
        connection.execute("UPDATE mine_meta SET epoch = ?", (secrets.token_hex(4),))


def visible(dossier: Dossier, events: Iterable[HeldEvent]) -> Iterator[tuple[str, HeldEvent]]:
    """Yield (subject, event) for everybody who may see an event of this dossier."""
    held = list(events)
    filers = {e.stored.event.actor for e in held if e.stored.event.type == "dossier.submitted"}
    disputed = any(conflict.kind == "submission" for conflict in dossier.open_conflicts)
    if units.is_subject_urn(dossier.owner) and not (disputed and len(filers) > 1):
        yield from ((dossier.owner, each) for each in held)
        filers.discard(dossier.owner)
    for each in held:
        if each.stored.event.actor in filers and units.is_subject_urn(each.stored.event.actor):
            yield each.stored.event.actor, each
