"""Doing here what two persons ordered: a dossier's events, manifests and chunks leave this node for good.

    0  that it begins is noted, then asked once more whether somebody stopped it: who writes a withdrawal looks at the
       note afterwards, so one of the two sees the other
    1  the door is closed to the events                 durable in node.db before anything goes
    2  chunks no other file needs, then manifests no other dossier names, then the events leave the store
    3  read model, people's feeds, verdicts on papers, quarantine forget them (the feeds show the order instead, so
       that phones drop their copies); the store gives the pages back
    4  the node says `erasure.done`

A crash in between leaves the step undone, and all of it is done again: each part finds what is still there. Ids, hashes
and log leaves stay. An erasure whose signatures are in doubt here waits (`Orders.doubt`).

Chunks and manifests that come back by a slow road, named by no event, are swept once they have lain `GRACE` unnamed:
sooner they might belong to a new dossier whose event is still on its way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from replication.errors import NotFound
from replication.store import AllDocsQuery, Database, Store
from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.documents import FILE_PREFIX
from server.dossier.erasing import Erasure
from server.erasure.filesweep import purge_documents, unneeded_chunks
from server.erasure.orders import Orders
from server.errands import Errand
from server.errors import Refused
from server.intake.door import Intake
from server.intake.erased import Erased
from server.intake.quarantine import Quarantine
from server.intake.source import Source
from server.minefeed import MineFeed
from server.nodedb import NodeDb
from server.papers.papers import Papers
from server.pki.credentials import CredentialCopier
from server.readmodel.model import ReadModel
from server.signing import NodeSigner

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

GRACE: Final = timedelta(days=30)  # what a node may be offline for
LOOK_EVERY_S: Final = 600.0  # also what waits for fresh revocation lists is tried again
_NOTED, _BEGUN, _DONE = -1, 0, 1  # `erasures.done`: about to begin; things are going, there is no way back; gone

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS erasures (
    of TEXT PRIMARY KEY, database TEXT NOT NULL, done INTEGER NOT NULL, events INTEGER NOT NULL DEFAULT 0,
    files INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased_files (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, back TEXT, PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
"""


class Erasing:
    """Carries out erasures at one node. `start` runs it in a thread; `settle` does the same in the caller's."""

    def __init__(
        self,
        *,
        db: NodeDb,
        store: Store,
        model: ReadModel,
        orders: Orders,
        erased: Erased,
        quarantine: Quarantine,
        feed: MineFeed,
        papers: Papers,
        intake: Intake,
        copier: CredentialCopier,
        signer: NodeSigner,
        clock: NodeClock,
    ) -> None:
        self._db = db
        self._store = store
        self._model = model
        self._orders = orders
        self._erased = erased
        self._quarantine = quarantine
        self._feed = feed
        self._papers = papers
        self._intake = intake
        self._copier = copier
        self._signer = signer
        self._clock = clock
        self._one = threading.Lock()
        self._seen = -1  # events about erasures when all of them had been carried out
        self.errand = Errand("erasing", self._look, every_s=LOOK_EVERY_S)
        db.ensure(SCHEMA)

    def notice(self, streams: set[str]) -> None:
        """Say that something changed (a `Listener` of the follower)."""
        self.errand.notice("events")

    def settle(self) -> int:
        """Carry out every confirmed erasure that is not done here yet. Returns how many were.

        Raises what kept one from being carried out, after the others have been.
        """
        with self._one:
            return _sum_of(self._orders.all(), self._carry_out)

    def sweep(self) -> int:
        """Take out files of erased dossiers that came back and that no event has named for `GRACE`, and events that
        slipped through the door while it closed. Returns how many documents went. Raises as `settle`."""
        with self._one:
            return _sum_of(self._store.names(), self._sweep_database)

    def is_done(self, of: str) -> bool:
        """Say whether this node has carried out the erasure `of`."""
        return self._phase(of) == _DONE

    def has_begun(self, of: str) -> bool:
        """Say whether this node has begun to carry out the erasure `of`, or is just about to."""
        return self._phase(of) is not None

    # Inside

    def _look(self, told: Sequence[str]) -> None:
        """Carry out what was ordered since; every ten minutes also what had to wait, and sweep."""
        count = self._orders.count()
        if told and count == self._seen:
            return
        try:
            self.settle()
            self._seen = count
        finally:
            if not told:
                self.sweep()

    def _phase(self, of: str) -> int | None:
        row = self._db.row("SELECT done FROM erasures WHERE of = ?", (of,))
        return None if row is None else int(row["done"])

    def _is_due(self, erasure: Erasure) -> bool:
        """What has begun here goes to its end, even if a withdrawal has come since: half a dossier helps nobody."""
        if not erasure.is_ordered and not (erasure.confirmed and self._phase(erasure.id) == _BEGUN):
            return False
        return not self._is_done(erasure) and not self._orders.doubt(erasure)

    def _is_done(self, erasure: Erasure) -> bool:
        """Done means done and said. A node whose `node.db` was restored may have said it and has to do it again."""
        said = any(each.node == self._signer.urn for each in erasure.done)
        return said and self.is_done(erasure.id)

    def _carry_out(self, erasure: Erasure) -> int:
        if not self._is_due(erasure) or not self._begin(erasure):
            return 0
        self._erase(erasure)
        return 1

    def _erase(self, erasure: Erasure) -> None:
        name = units.database_name(erasure.unit)
        self._erased.note(name, erasure.documents, erasure.id)
        self._model.follower.catch_up()
        self._erase_files(erasure)
        events = self._store.open(name)
        self._count(erasure.id, "events", purge_documents(events, erasure.documents))
        sha256s = self._model.forget(name, erasure.dossier, erasure.documents)
        self._feed.forget(name, erasure.documents, self._orders.evidence(erasure))
        self._papers.forget(sha256s)
        self._quarantine.forget_stream(name, erasure.dossier)
        events.compact()
        self._finish(name, erasure)

    def _erase_files(self, erasure: Erasure) -> None:
        name = units.files_database_name(erasure.unit)
        going = [each for each in erasure.files if not self._model.queries.names_file(name, each, erasure.dossier)]
        manifests = [FILE_PREFIX + each for each in going]
        self._watch(name, manifests)
        try:
            database = self._store.open(name)
        except NotFound:  # no file has come to this tier yet
            return
        chunks = unneeded_chunks(database, going)
        self._watch(name, chunks)
        self._count(erasure.id, "chunks", purge_documents(database, chunks))
        self._count(erasure.id, "files", purge_documents(database, manifests))
        self._model.forget_files(name, going)
        database.compact()

    def _watch(self, database: str, ids: Iterable[str]) -> None:
        """Remember files that go, so that `sweep` finds them should they come back."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO erased_files VALUES (?, ?, NULL)", [(database, each) for each in ids]
            )

    def _begin(self, erasure: Erasure) -> bool:
        """Note durably that this erasure begins; False, and no note, if it was stopped after all."""
        database = units.database_name(erasure.unit)
        with self._db.transaction() as connection:
            sql = "INSERT OR IGNORE INTO erasures (of, database, done) VALUES (?, ?, ?)"
            connection.execute(sql, (erasure.id, database, _NOTED))
        if self._phase(erasure.id) == _NOTED:
            self._model.follower.catch_up(database)
            stopped = any(each.id == erasure.id and each.is_stopped for each in self._orders.of(database))
            with self._db.transaction() as connection:
                if stopped:
                    connection.execute("DELETE FROM erasures WHERE of = ?", (erasure.id,))
                else:
                    connection.execute("UPDATE erasures SET done = ? WHERE of = ?", (_BEGUN, erasure.id))
            return not stopped
        return True

    def _count(self, of: str, column: str, more: int) -> None:
        with self._db.transaction() as connection:
            sql = f"UPDATE erasures SET {column} = {column} + ? WHERE of = ?"  # noqa: S608 - a name of ours
            connection.execute(sql, (more, of))

    def _finish(self, database: str, erasure: Erasure) -> None:
        if not any(each.node == self._signer.urn for each in erasure.done):
            self._say_done(database, erasure)
        with self._db.transaction() as connection:
            connection.execute("UPDATE erasures SET done = ? WHERE of = ?", (_DONE, erasure.id))
        _LOG.info("dossier %s was erased by %s", erasure.dossier, erasure.id)

    def _say_done(self, database: str, erasure: Erasure) -> None:
        row = self._db.row("SELECT events, files, chunks FROM erasures WHERE of = ?", (erasure.id,))
        assert row is not None  # `_begin` made it
        stream = units.unit_stream(erasure.unit)
        self._copier.ensure_certificate(database, self._signer.certificate)
        doc = self._signer.sign(
            stream=stream,
            type="erasure.done",
            unit=erasure.unit,
            at=self._clock.now(),
            prev=self._model.queries.heads(database, stream),
            body={"of": erasure.id} | {name: row[name] for name in ("events", "files", "chunks")},
        )
        result = self._intake.admit(database, [doc], source=Source("local", self._signer.urn))[0]
        if result.error is not None:
            code, _, reason = result.error.reason.partition(": ")
            raise Refused(code, reason)
        self._model.follower.catch_up(database)

    # What came back

    def _sweep_database(self, name: str) -> int:
        database = self._store.open(name)
        table = "erased_files" if name.startswith("f-") else "erased"
        rows = self._db.rows(f"SELECT doc_id FROM {table} WHERE database = ?", (name,))  # noqa: S608 - the two above
        here = _here(database, [row["doc_id"] for row in rows])
        if not here:
            return 0
        if table == "erased":
            return purge_documents(database, here)
        self._model.follower.catch_up()
        return self._sweep_files(database, here, self._clock.now())

    def _sweep_files(self, database: Database, here: Sequence[str], now: datetime) -> int:
        """Files that an event names again are alive again; of the others those go that have lain long enough."""
        manifests = [each.removeprefix(FILE_PREFIX) for each in here if each.startswith(FILE_PREFIX)]
        unnamed = [each for each in manifests if not self._model.queries.names_file(database.name, each, "")]
        chunks = unneeded_chunks(database, unnamed, [each for each in here if not each.startswith(FILE_PREFIX)])
        idle = set(chunks) | {FILE_PREFIX + each for each in unnamed}
        self._note_back(database.name, idle, set(here) - idle, now)
        sql = "SELECT doc_id, back FROM erased_files WHERE database = ? AND back IS NOT NULL"
        rows = self._db.rows(sql, (database.name,))
        going = [row["doc_id"] for row in rows if datetime.fromisoformat(row["back"]) + GRACE <= now]
        gone = purge_documents(database, going)
        if gone:
            self._model.forget_files(database.name, [each.removeprefix(FILE_PREFIX) for each in going])
            database.compact()
        with self._db.transaction() as connection:
            sql = "UPDATE erased_files SET back = NULL WHERE database = ? AND doc_id = ?"
            connection.executemany(sql, [(database.name, each) for each in going])
        return gone

    def _note_back(self, database: str, idle: Iterable[str], alive: Iterable[str], now: datetime) -> None:
        with self._db.transaction() as connection:
            connection.executemany(
                "DELETE FROM erased_files WHERE database = ? AND doc_id = ?", [(database, each) for each in alive]
            )
            connection.executemany(
                "INSERT INTO erased_files VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET back = coalesce(back, excluded.back)",
                [(database, each, now.isoformat()) for each in idle],
            )


def _sum_of(items: Iterable[T], do: Callable[[T], int]) -> int:
    """Do each, whatever becomes of the others: a unit whose store is damaged must not keep others' dossiers here.
    Returns the sum; raises the first failure when all have been tried."""
    total, first = 0, None
    for each in items:
        try:
            total += do(each)
        except Exception as exc:
            first = first or exc
    if first is not None:
        raise first
    return total


def _here(database: Database, ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(ids), 500):
        rows = database.all_docs(AllDocsQuery(keys=tuple(ids[start : start + 500]))).rows
        found += [row.id for row in rows if row.rev is not None and not row.deleted]
    return found
