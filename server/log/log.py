"""`NodeLog`: every event the intake takes gets a leaf; nothing is acknowledged before its leaf is under a signed head.

Documents may live on CouchDB, the log lives in `node.db`, and no transaction spans both. So, for each admitted batch:

    1  one transaction: admissions, and an intent for each event          durable before the documents are
    2  the store takes the documents                                      durable when it returns
    3  one transaction: leaves, inner nodes, the checkpoint, signed;      durable before the intake answers
       the intents are gone

A crash between leaves intents. They are settled when the node is opened, before anything is served: an event that is in
the store gets its leaf, with the time of the intent; one that is not had never been acknowledged, and is forgotten. A
signature made in a transaction that does not commit has never left this process.

A home older than logs gets intents for all its stored events in one go: in order of admission, then of database and id.

`waiting` is the state of a log that may have lost leaves (a restored copy): intents pile up, no head is signed and no
receipt issued, until the witness has said what it had seen (`server.log.recovery`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from crypto.logcert import log_origin
from crypto.note import Checkpoint, NoteKey, parse_checkpoint, verify_note
from replication.store import Store
from server.errors import Missing, Refused
from server.log.intents import Intents
from server.log.key import LogKey
from server.log.leaves import Leaf, event_of_document
from server.log.tree import SCHEMA as TREE_SCHEMA
from server.log.tree import Edge, Tree
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

SCHEMA = (
    TREE_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS logs (
    generation INTEGER PRIMARY KEY, state TEXT NOT NULL, size INTEGER NOT NULL, edge BLOB NOT NULL,
    note TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0);
"""
)

_YOUNG_S = 3600  # no store takes an hour for one batch

State = Literal["adopting", "open", "waiting", "frozen"]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest signed checkpoint of a log, as a note; `size` leaves under `root`."""

    generation: int
    state: State
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an event stands in this node's logs, and when the node took it."""

    generation: int
    number: int
    leaf: Leaf

    @property
    def received(self) -> datetime:
        return datetime.fromtimestamp(self.leaf.received, UTC)


class NodeLog:
    """The log of one node. Safe from several threads and beside other processes on the same home."""

    def __init__(self, db: NodeDb, store: Store, key: LogKey) -> None:
        self._db = db
        self._intents = Intents(db, store)
        self.key = key
        self.unit = key.unit
        db.ensure(SCHEMA)

    # Writing

    @contextmanager
    def intending(self, database: str, doc_ids: Iterable[str], at: datetime) -> Iterator[None]:
        """Note events about to be stored, in one transaction with what the block writes to `node.db`."""
        received = int(at.timestamp())
        with self._db.transaction() as connection:
            self._intents.note(connection, [(database, each, received) for each in doc_ids])
            yield

    def settle(self, database: str, stored: Sequence[str], refused: Sequence[str], at: datetime) -> None:
        """Give the events that were stored their leaves, under a signed checkpoint; forget those that were not.

        `at` is for an intent that another process, just starting on this home, took for what a crash had left.
        """
        if not stored and not refused:
            return
        with self.intending(database, stored, at), self._db.transaction() as connection:
            self._intents.drop(connection, database, refused)
            self._append(connection, [(database, each) for each in stored])

    def ensure(self, database: str, doc_ids: Sequence[str], at: datetime) -> None:
        """Give stored events leaves if they have none: a neighbour thread may have stored them this instant."""
        with_leaf = self._placed_events(event_of_document(each) for each in doc_ids)
        left = [each for each in doc_ids if event_of_document(each) not in with_leaf]
        if left:
            self.settle(database, left, (), at)

    def open(self, now: datetime) -> int:
        """Make the log what the store says it must be, begun and complete. Returns the number of new leaves.

        Call it before anything is served.
        """
        if not self.is_begun():
            self.begin("adopting")
        if self._row()["state"] == "adopting":
            self._intents.note_everything(now)
            with self._db.transaction() as connection:
                connection.execute("UPDATE logs SET state = 'open' WHERE state = 'adopting'")
        return self.reconcile(now)

    def is_begun(self) -> bool:
        """Say whether this `node.db` has a log."""
        return self._db.row("SELECT 1 FROM logs") is not None

    def begin(self, state: State) -> None:
        """Begin the first generation: "adopting", or "waiting" where an earlier one may have been lost."""
        with self._db.transaction() as connection:
            self._begin(connection, 1, state)

    def holds_events(self) -> bool:
        """Say whether the store holds any event."""
        return self._intents.is_any_stored()

    def reconcile(self, now: datetime) -> int:
        """Settle the intents a crash left: what is in the store gets its leaf. Returns how many did.

        Another process may be between its first and its second step just now, so young intents are not forgotten.
        """
        done = 0
        if self._row()["state"] != "open":
            return done
        for batch in self._intents.batches():
            held = self._intents.held(batch)
            with self._db.transaction() as connection:
                for database, doc_id, received in batch:
                    if (database, doc_id) not in held and received < now.timestamp() - _YOUNG_S:
                        self._intents.drop(connection, database, [doc_id])
                done += self._append(connection, [(name, each) for name, each, _ in batch if (name, each) in held])
        return done

    # Reading

    def head(self) -> Head:
        """Return the newest checkpoint of the log that is being written."""
        return _head(self._row())

    def heads(self) -> list[Head]:
        """Return the newest checkpoint of every generation, oldest first."""
        return [_head(row) for row in self._db.rows("SELECT * FROM logs ORDER BY generation")]

    def origin(self, generation: int | None = None) -> str:
        """Return the name of the log, of the generation that is being written unless another is named."""
        return log_origin(self.unit, self._row()["generation"] if generation is None else generation)

    def tree(self, generation: int) -> Tree:
        """Return the tree of one generation."""
        return Tree(self._db.rows, generation)

    def place(self, event: bytes) -> Placed | None:
        """Return where an event (its hash) stands, None if this node never logged it."""
        row = self._db.row("SELECT * FROM log_leaves WHERE event = ?", (event,))
        return Placed(row["generation"], row["number"], Leaf(event, row["received"])) if row else None

    def checkpoint(self, generation: int, size: int) -> str:
        """Return the signed note of the log as it was at `size`. Ed25519 gives the same one each time."""
        row = self._db.row("SELECT size FROM logs WHERE generation = ?", (generation,))
        if row is None or not 0 <= size <= row["size"]:
            raise Missing(f"the log has no checkpoint of {size} leaves in generation {generation}")
        return self._sign(generation, size, self.tree(generation).root(size))

    def pending(self) -> int:
        """Return how many events wait for their leaves."""
        return self._intents.count()

    # Generations

    def set_state(self, state: State) -> None:
        """Let the log that is being written wait, or go on."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE logs SET state = ? WHERE generation = ?", (state, self._row()["generation"]))

    def begin_next(self, state: State = "open") -> int:
        """Freeze the log and begin its next generation, empty. Returns its number.

        With "adopting" it is for all that is stored and has no leaf; `open` sees to that.
        """
        with self._db.transaction() as connection:
            generation = self._row()["generation"]
            connection.execute("UPDATE logs SET state = 'frozen' WHERE generation = ?", (generation,))
            self._begin(connection, generation + 1, state)
        return int(generation) + 1

    def check_loss(self, known: str) -> None:
        """Return if `known`, a head this very log signed, has leaves that are lost here.

        Raises `CryptoError` for a head that is not ours and `Refused("contradiction")` for one that is not larger:
        nobody else can make this log stop.
        """
        head = self.head()
        origin = self.origin(head.generation)
        verified = verify_note(known, [NoteKey(origin, self.key.public_key)])
        checkpoint = parse_checkpoint(verified.text)
        if checkpoint.origin != origin or checkpoint.size <= head.size:
            raise Refused("contradiction", f"a head of {checkpoint.size} leaves shows no loss: here are {head.size}")
        _LOG.error("%d leaves of %s were lost; the log goes on", checkpoint.size - head.size, origin)

    # Inside

    def _begin(self, connection: sqlite3.Connection, generation: int, state: State) -> None:
        note = self._sign(generation, 0, Edge(0, []).root())
        sql = "INSERT INTO logs (generation, state, size, edge, note) VALUES (?, ?, 0, x'', ?)"
        connection.execute(sql, (generation, state, note))

    def _append(self, connection: sqlite3.Connection, events: Sequence[tuple[str, str]]) -> int:
        """Move events from the intents into the tree, in the caller's transaction. Returns how many were new."""
        head = self._row()
        if head["state"] == "waiting":
            return 0  # the intents keep them
        taken: dict[bytes, Leaf] = {}
        for database, doc_id in events:
            event = event_of_document(doc_id)
            received = self._intents.received(connection, database, doc_id)
            if received is not None and event not in taken:
                taken[event] = Leaf(event, received)
        known = self._placed_events(taken)
        leaves = [leaf for event, leaf in taken.items() if event not in known]
        if leaves:
            generation, edge = head["generation"], Edge.parse(head["size"], head["edge"])
            self.tree(generation).append(connection, edge, leaves)
            note = self._sign(generation, edge.size, edge.root())
            connection.execute(
                "UPDATE logs SET size = ?, edge = ?, note = ? WHERE generation = ?",
                (edge.size, edge.to_bytes(), note, generation),
            )
        for database in {database for database, _ in events}:
            self._intents.drop(connection, database, [each for name, each in events if name == database])
        return len(leaves)

    def _sign(self, generation: int, size: int, root: bytes) -> str:
        return self.key.sign(Checkpoint(log_origin(self.unit, generation), size, root).to_text(), generation)

    def _row(self) -> sqlite3.Row:
        row = self._db.row("SELECT * FROM logs ORDER BY generation DESC LIMIT 1")
        assert row is not None  # `open` begins one
        return row

    def _placed_events(self, events: Iterable[bytes]) -> set[bytes]:
        """Return those of the events that have leaves."""
        wanted, found = list(events), set()
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            sql = f"SELECT event FROM log_leaves WHERE event IN ({marks})"  # noqa: S608 - question marks
            found |= {bytes(row["event"]) for row in self._db.rows(sql, some)}
        return found


def _head(row: sqlite3.Row) -> Head:
    root = Edge.parse(row["size"], row["edge"]).root()
    return Head(row["generation"], row["state"], row["size"], root, row["note"])
