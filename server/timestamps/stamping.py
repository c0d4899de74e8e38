"""Which events have no time-stamp yet, and asking for one after the other. Can be cut off at any point.

    stamp_queue     events of dossiers that have been seen and not stamped yet
    stamp_followed  how far into a database's feed was looked

An event leaves the queue once its token is stored durably; a token that came from another node serves as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from crypto import strictjson
from crypto.event import parse_signed_event
from replication.document import DocId, Seq
from replication.errors import NotFound
from replication.store import ZERO, Database, Store
from server.dossier.event import is_dossier_stream
from server.errors import NotReady
from server.intake.door import Intake
from server.intake.source import Source
from server.log.leaves import event_of_document
from server.log.proofs import Proofs
from server.nodedb import NodeDb
from server.timestamps.documents import build_timestamp
from server.timestamps.token import Token

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS stamp_queue (
    number INTEGER PRIMARY KEY, database TEXT NOT NULL, doc_id TEXT NOT NULL, UNIQUE (database, doc_id));
CREATE TABLE IF NOT EXISTS stamp_followed (database TEXT PRIMARY KEY, instance TEXT NOT NULL, seq TEXT NOT NULL);
"""

_PAGE = 1000
_MAX_EVENT_BYTES = 256 * 1024


class TokenSource(Protocol):
    """Who gives time-stamps: `server.timestamps.asking.Authority`."""

    def fetch(self, signature: bytes) -> Token:
        """Return a token over a signature (r ‖ s), proven. Raises as `Authority.fetch`."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it went: `stamped` now, `left` waiting."""

    stamped: int
    left: int


class Stamper:
    """Stamps the events of dossiers in one database after the other. Safe beside other processes on the home."""

    def __init__(self, *, db: NodeDb, store: Store, proofs: Proofs, intake: Intake, urn: str) -> None:
        self._db = db
        self._store = store
        self._proofs = proofs
        self._intake = intake
        self._urn = urn
        self._turn = threading.Lock()
        db.ensure(SCHEMA)

    def waiting(self, database: str) -> int:
        """Return how many events of a database have no time-stamp that holds, as far as its feed goes now.

        Raises `NotFound` for a database that is not here.
        """
        with self._turn:
            self._proofs.catch_up(database)
            self._follow(self._store.open(database))
            self._drop_stamped(database)
            return self._left(database)

    def run(
        self,
        database: str,
        authority: TokenSource,
        *,
        tell: Callable[[Progress], None] = lambda _: None,
        is_ended: Callable[[], bool] = lambda: False,
    ) -> Progress:
        """Ask for a token for every event that waits, the oldest first, and store each as it comes.

        Returns early when `is_ended`. Raises as `authority.fetch`; what was stamped until then stays.
        """
        stamped, left, number = 0, self.waiting(database), 0
        sql = "SELECT * FROM stamp_queue WHERE database = ? AND number > ? ORDER BY number LIMIT 1"
        while not is_ended() and (row := self._db.row(sql, (database, number))) is not None:
            number = row["number"]
            stamped += self._stamp(database, str(row["doc_id"]), authority)
            left = max(0, left - 1)
            tell(Progress(stamped, left))
        self._proofs.catch_up(database)
        return Progress(stamped, self._left(database))

    def _stamp(self, database: str, doc_id: str, authority: TokenSource) -> bool:
        """Return whether a token was stored; not so for an event that was erased while it waited."""
        try:
            body = self._store.open(database).get(DocId(doc_id)).body
        except NotFound:
            self._forget(database, [doc_id])
            return False
        fields = strictjson.parse(body, max_bytes=_MAX_EVENT_BYTES)
        signed = parse_signed_event({name: fields[name] for name in ("event", "signatures")})
        doc = build_timestamp(doc_id, authority.fetch(signed.signature).der)
        [result] = self._intake.admit(database, [doc], source=Source("local", self._urn))
        if result.error is not None:
            raise NotReady(f"the time-stamp of {doc_id} could not be stored: {result.error.reason}")
        self._forget(database, [doc_id])
        return True

    def _follow(self, database: Database) -> None:
        """Queue the events that came since the last look."""
        since = self._place(database)
        while True:
            page = database.changes(since, limit=_PAGE)
            if not page.rows:
                break
            found = [row.id for row in page.rows if is_dossier_stream(row.id.partition(":")[0])]
            since = page.last_seq
            with self._db.transaction() as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO stamp_queue (database, doc_id) VALUES (?, ?)",
                    [(database.name, each) for each in found],
                )
                connection.execute("UPDATE stamp_followed SET seq = ? WHERE database = ?", (since, database.name))
            if not page.pending:
                break

    def _place(self, database: Database) -> Seq:
        """Return where to go on; from the start in a database made anew."""
        instance = database.info().instance_start_time
        row = self._db.row("SELECT instance, seq FROM stamp_followed WHERE database = ?", (database.name,))
        if row is not None and row["instance"] == instance:
            return Seq(row["seq"])
        with self._db.transaction() as connection:
            sql = "INSERT OR REPLACE INTO stamp_followed VALUES (?, ?, ?)"
            connection.execute(sql, (database.name, instance, ZERO))
        return ZERO

    def _drop_stamped(self, database: str) -> None:
        """Take out of the queue what has a token that holds: a neighbour's, or ours from before a cut."""
        rows = self._db.rows("SELECT doc_id FROM stamp_queue WHERE database = ?", (database,))
        ids, stamps = [str(row["doc_id"]) for row in rows], self._proofs.stamps
        self._forget(database, [each for each in ids if stamps.earliest(database, event_of_document(each))])

    def _forget(self, database: str, doc_ids: list[str]) -> None:
        with self._db.transaction() as connection:
            connection.executemany(
                "DELETE FROM stamp_queue WHERE database = ? AND doc_id = ?", [(database, each) for each in doc_ids]
            )

    def _left(self, database: str) -> int:
        row = self._db.row("SELECT count(*) AS n FROM stamp_queue WHERE database = ?", (database,))
        return int(row["n"]) if row else 0
