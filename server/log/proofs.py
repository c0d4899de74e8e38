"""`Proofs`: since when an event is proven to have existed. From pages and cosignatures, each checked here.

    log's own time       the leaf's `t`: the word of the node that took the event, fixed by every later checkpoint
    cosignature's time   the word of the unit above: what is under this checkpoint existed by then
    time-stamp           the word of an authority the trust policy names (`server.timestamps`)
    floor                a cosigned checkpoint that does NOT hold the leaf: it was appended after that

    earliest = min(max(log's time, floor), time of the first cosignature that covers the leaf, first time-stamp)

So a node whose clock is slow, or that dates back, gains at most the time since its last cosignature. Only the log of
the unit that owns the database counts: its pages are in that database, so every tier computes the same from the same
documents. The log of a unit above may know an event earlier, and the units below would never learn of it.

A log that was shown to hold two events at one place proves nothing by cosignatures: they covered one of its histories,
and the other would borrow their times. Its own word is left, and the alarm.

A page names events by the beginning of their hashes. Every event this node holds has a leaf in its own log, which
finds them; a page with an event that has not come yet waits for it, alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, product
from typing import Literal

from crypto import base64url
from crypto.errors import CryptoError
from crypto.hashing import parse_sha256_id
from crypto.logcert import log_origin, parse_log_origin
from replication.document import Doc, DocId, Seq
from replication.errors import NotFound
from replication.store import ZERO, Database, GetRequest, Store
from server.dossier import units
from server.dossier.documents import LOG_PREFIX, TIMESTAMP_PREFIX
from server.errors import ServerError
from server.intake.erased import SCHEMA as ERASED_SCHEMA
from server.intake.logs import log_signer
from server.log.leaves import PREFIX_BYTES, Leaf
from server.log.log import NodeLog
from server.log.pages import Cosigned, Page, parse_log_document, verify_cosigned, verify_page
from server.log.signers import LogSigners
from server.nodedb import NodeDb
from server.pki.directory import Directory
from server.timestamps.stamps import Stamps

_LOG = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_followed (database TEXT PRIMARY KEY, instance TEXT NOT NULL, seq TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_origins (number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS log_shown (
    event BLOB NOT NULL, log INTEGER NOT NULL, number INTEGER NOT NULL, received INTEGER NOT NULL,
    PRIMARY KEY (event, log, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_shown_place ON log_shown (log, number);
CREATE TABLE IF NOT EXISTS log_forked (log INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS log_pages (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, log INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_pages_place ON log_pages (log, size);
CREATE TABLE IF NOT EXISTS log_cosigned (
    log INTEGER NOT NULL, size INTEGER NOT NULL, witness TEXT NOT NULL, time INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (log, size, witness)) WITHOUT ROWID;
"""

_PAGE = 1000
_MAX_GUESSES = 256  # combinations of events that share a prefix; two in one page are a rarity, nine an attack

ProvenBy = Literal["log", "cosignature", "timestamp"]
Listener = Callable[[str, set[str]], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """That an event is in the log that counts for it; `witness` is the unit that cosigned first, "" while none has."""

    witness: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProvenTime:
    """The earliest instant at which an event is proven to have existed, by what, in the log of which name.

    For a time-stamp `origin` is the authority's name in the trust policy. `claimed` is the log's own time; it differs
    from `at` where a cosignature says that it cannot be true.
    """

    at: datetime
    by: ProvenBy
    origin: str
    claimed: datetime


class Proofs:
    """Proven times of events. Safe from several threads. `catch_up` is called by whoever follows the feeds."""

    def __init__(self, db: NodeDb, store: Store, directory: Directory, log: NodeLog, stamps: Stamps) -> None:
        self._db = db
        self.stamps = stamps
        self._store = store
        self._directory = directory
        self._log = log
        self._turn = threading.Lock()
        self._listeners: list[Listener] = []
        self.on_contradiction: Callable[[str, str, str, str], None] = lambda *_: None  # origin, known, shown, reason
        db.ensure(SCHEMA)
        db.ensure(ERASED_SCHEMA)
        self.signers = LogSigners(db, directory)
        if self.signers.is_empty():  # a home older than that table reads its log documents once more
            with db.transaction() as connection:
                connection.execute("DELETE FROM log_followed")

    def listen(self, listener: Listener) -> None:
        """Call `listener(database, event ids)` whenever events were proven by a page, in the follower's thread."""
        self._listeners.append(listener)

    # Asking

    def earliest(self, database: str, event_id: str) -> ProvenTime | None:
        """Return the earliest proven time of the event `event_id` ("sha256-…") of a database, None if there is none.

        Costs two or three lookups by key. The answer can only become earlier, or come into being, as documents arrive.
        """
        event = parse_sha256_id(event_id)
        times = [self._time(*place) for place in self._places(database, event)]
        stamp = self.stamps.earliest(database, event)
        if stamp is not None:
            times.append(ProvenTime(stamp.at, "timestamp", stamp.authority, stamp.at))
        return min(times, key=lambda each: (each.at, each.origin), default=None)

    def proven_at(self, database: str, event_id: str) -> datetime | None:
        """Return `earliest(…).at`, or None."""
        found = self.earliest(database, event_id)
        return found.at if found is not None else None

    def kept(self, database: str, event_id: str) -> Kept | None:
        """Return how the log keeps an event, as far as this node can show; None if it is in no log known here."""
        places = self._places(database, parse_sha256_id(event_id))
        sql = (
            "SELECT c.witness, min(c.time) AS time FROM log_cosigned c JOIN log_origins o ON o.number = c.log"
            " WHERE o.origin = ? AND c.size > ? AND c.state = 'holds'"
        )
        for origin, number, _ in places:
            row = self._db.row(sql, (origin, number))
            if row is not None and row["time"] is not None:
                return Kept(row["witness"], _utc(row["time"]))
        return Kept() if places else None

    def is_cosigned(self, origin: str) -> bool:
        """Say whether any head of a log is known to be cosigned."""
        sql = "SELECT 1 FROM log_cosigned c JOIN log_origins o ON o.number = c.log WHERE o.origin = ? LIMIT 1"
        return self._db.row(sql, (origin,)) is not None

    def cosigned_size(self, origin: str, witness: str) -> int:
        """Return the size of the newest head of a log that the unit `witness` is known to have cosigned, 0 if none."""
        row = self._db.row(
            "SELECT max(c.size) AS size FROM log_cosigned c JOIN log_origins o ON o.number = c.log"
            " WHERE o.origin = ? AND c.witness = ? AND c.state = 'holds'",
            (origin, witness),
        )
        return int(row["size"] or 0) if row else 0

    def cosigned_note(self, origin: str, number: int) -> tuple[int, str] | None:
        """Return (size, note) of the first cosigned head of a log that covers leaf `number`, None if none does."""
        row = self._db.row(
            "SELECT c.size, c.note FROM log_cosigned c JOIN log_origins o ON o.number = c.log"
            " WHERE o.origin = ? AND c.size > ? AND c.state = 'holds' ORDER BY c.size LIMIT 1",
            (origin, number),
        )
        return (int(row["size"]), str(row["note"])) if row else None

    def _places(self, database: str, event: bytes) -> list[tuple[str, int, int]]:
        """Return (origin, number, received) of the event's leaves in the log that counts for a database."""
        owner = units.unit_of_database(database)
        rows = self._db.rows(
            "SELECT o.origin, p.number, p.received FROM log_shown p JOIN log_origins o ON o.number = p.log"
            " WHERE p.event = ?",
            (event,),
        )
        found = [
            (row["origin"], row["number"], row["received"])
            for row in rows
            if owner is None or parse_log_origin(row["origin"])[0] == owner
        ]
        if owner is None or owner == self._log.unit:
            placed = self._log.place(event)
            if placed is not None:
                found.append((self._log.origin(placed.generation), placed.number, placed.leaf.received))
        return found

    def _time(self, origin: str, number: int, received: int) -> ProvenTime:
        row = self._db.row(
            "SELECT min(CASE WHEN c.size > ? THEN c.time END) AS ceiling,"
            " max(CASE WHEN c.size <= ? THEN c.time END) AS floor"
            " FROM log_cosigned c JOIN log_origins o ON o.number = c.log WHERE o.origin = ? AND c.state = 'holds'",
            (number, number, origin),
        )
        assert row is not None  # aggregates always give a row
        if self._is_forked(origin):  # nobody can tell which of its histories was cosigned: its own word is left
            return ProvenTime(_utc(received), "log", origin, _utc(received))
        by_log = max(received, row["floor"] or 0)
        ceiling = row["ceiling"]
        at, by = (ceiling, "cosignature") if ceiling is not None and ceiling < by_log else (by_log, "log")
        return ProvenTime(_utc(at), by, origin, _utc(received))  # type: ignore[arg-type]  # the two words above

    def _is_forked(self, origin: str) -> bool:
        """Whether two leaves of a log are shown to stand at one place: it went on from an older copy, or it lies."""
        sql = "SELECT 1 FROM log_forked f JOIN log_origins o ON o.number = f.log WHERE o.origin = ?"
        if self._db.row(sql, (origin,)) is not None:
            return True
        head = next((h for h in self._log.heads() if origin == log_origin(self._log.unit, h.generation)), None)
        return head is not None and self._contradicts_ours(origin, head.generation, head.size)

    def _contradicts_ours(self, origin: str, generation: int, size: int) -> bool:
        """Whether pages that are not of our tree came back to us, with other leaves where we have ours."""
        rows = self._db.rows(
            "SELECT p.event, p.number FROM log_shown p JOIN log_origins o ON o.number = p.log"
            " WHERE o.origin = ? AND p.number < ?",
            (origin, size),
        )
        tree = self._log.tree(generation)
        return any(tree.leaves(row["number"], row["number"] + 1)[0].event != row["event"] for row in rows)

    # Following

    def catch_up(self, database: str | None = None) -> None:
        """Take in the log documents of one database, or of all, and try again what waited for events."""
        with self._turn:
            changed = self.stamps.refresh()
            names = [database] if database and not changed else self._store.names()
            for name in names:
                if name.startswith("u-") and units.unit_of_database(name):
                    self._follow(name, judge_again=changed)

    def _follow(self, name: str, *, judge_again: bool) -> None:
        try:
            opened = self._store.open(name)
        except NotFound:
            return
        since, moved = self._place(opened), False
        while True:
            page = opened.changes(since, limit=_PAGE)
            if not page.rows:
                break
            moved = True
            ids = [row.id for row in page.rows if row.id.startswith((LOG_PREFIX, TIMESTAMP_PREFIX))]
            for doc in _read(opened, ids):
                self._take(name, doc)
            since = page.last_seq
            with self._db.transaction() as connection:
                connection.execute("UPDATE log_followed SET seq = ? WHERE database = ?", (since, name))
            if not page.pending:
                break
        if moved:
            self._try_again(opened)
        if moved or judge_again:
            self._prove_stamps(opened, judge_again=judge_again)

    def _prove_stamps(self, database: Database, *, judge_again: bool) -> None:
        """Look at time-stamps again. Where the policy changed, every event that has one is told of."""
        proven = self.stamps.prove(database)
        if judge_again:
            proven = self.stamps.events(database.name)
        if proven:
            self._tell(database.name, proven)

    def _tell(self, database: str, events: Iterable[bytes]) -> None:
        ids = {_event_id(each) for each in events}
        for listener in self._listeners:
            listener(database, ids)

    def _place(self, database: Database) -> Seq:
        """Return where to go on; from the start in a database made anew, since a page read twice is a page."""
        instance = database.info().instance_start_time
        row = self._db.row("SELECT instance, seq FROM log_followed WHERE database = ?", (database.name,))
        if row is not None and row["instance"] == instance:
            return Seq(row["seq"])
        with self._db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO log_followed VALUES (?, ?, ?)", (database.name, instance, ZERO))
        return ZERO

    def _take(self, database: str, doc: Doc) -> None:
        """Take one document into the tables. The intake has checked it; a store can be changed behind its back."""
        try:
            if doc.id.startswith(TIMESTAMP_PREFIX):
                self.stamps.take(database, doc)
                return
            found = parse_log_document(doc.body)
            now = datetime.now(UTC)  # for paths alone; `log_signer` goes to where the certificate is valid
            signers = [log_signer(each, database, self._directory, now) for each in found.keys]
            if isinstance(found, Cosigned):
                self._take_cosigned(found, verify_cosigned(found, *signers), signers[1].unit)
            else:
                verify_page(found, *signers)
                self._take_page(database, doc.id, found)
            self.signers.note(database, {key: each.unit for key, each in zip(found.keys, signers, strict=True)})
        except (CryptoError, ServerError, ValueError) as exc:
            _LOG.error("%s in %s proves nothing, run tram verify: %s", doc.id, database, exc)

    def _take_page(self, database: str, doc_id: str, page: Page) -> None:
        if page.unit == self._log.unit and self._is_of_our_tree(page):
            return  # our own leaves are at hand
        with self._db.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO log_origins (origin) VALUES (?)", (page.origin,))
            connection.execute(
                "INSERT OR IGNORE INTO log_pages SELECT ?, ?, number, ?, ?, 'waiting'"
                " FROM log_origins WHERE origin = ?",
                (database, doc_id, page.start, page.checkpoint.size, page.origin),
            )
        self._prove(database, doc_id, page)

    def _is_of_our_tree(self, page: Page) -> bool:
        """Whether our own log holds the page. After a restore it may not, and the page that comes back knows more."""
        for head in self._log.heads():
            if head.generation == page.generation and page.checkpoint.size <= head.size:
                return self._log.tree(head.generation).root(page.checkpoint.size) == page.checkpoint.root
        return False

    def _take_cosigned(self, cosigned: Cosigned, time_s: int, witness: str) -> None:
        with self._db.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO log_origins (origin) VALUES (?)", (cosigned.origin,))
            head = cosigned.checkpoint
            connection.execute(
                "INSERT OR IGNORE INTO log_cosigned SELECT number, ?, ?, ?, ?, ?, 'waiting' FROM log_origins"
                " WHERE origin = ?",
                (head.size, witness, time_s, head.root, cosigned.note, cosigned.origin),
            )
        self._check_cosigned(cosigned.origin)

    def _try_again(self, database: Database) -> None:
        """Look again at pages that waited for events."""
        sql = "SELECT doc_id FROM log_pages WHERE database = ? AND state = 'waiting' ORDER BY log, start"
        waiting = [str(row["doc_id"]) for row in self._db.rows(sql, (database.name,))]
        for doc in _read(database, waiting):
            page = parse_log_document(doc.body)
            if isinstance(page, Page):
                self._prove(database.name, doc.id, page)

    # Proving

    def _prove(self, database: str, doc_id: str, page: Page) -> None:
        """Restore the leaves of a page and note them if they make the root that the log signed."""
        candidates = [self._candidates(entry.prefix) for entry in page.entries]
        if not all(candidates):
            return  # an event of this page is not here yet
        for events in islice(product(*candidates), _MAX_GUESSES):
            leaves = [Leaf(event, entry.received) for event, entry in zip(events, page.entries, strict=True)]
            if root_of(page, leaves) == page.checkpoint.root:
                self._note(database, doc_id, page, leaves)
                return
        # Not these events then; the one that is meant may still come, and begin with the same bytes as another.

    def _candidates(self, prefix: bytes) -> list[bytes]:
        """Return the hashes with this prefix of events this node took, or of which it knows that they were erased."""
        above = (int.from_bytes(prefix) + 1).to_bytes(PREFIX_BYTES + 1)[1:]
        end = above if any(above) else b"\xff" * 33
        rows = self._db.rows(
            "SELECT event FROM log_leaves WHERE event >= ?1 AND event < ?2"
            " UNION SELECT event FROM erased WHERE event >= ?1 AND event < ?2 LIMIT 16",
            (prefix, end),
        )
        return [bytes(row["event"]) for row in rows]

    def _note(self, database: str, doc_id: str, page: Page, leaves: Sequence[Leaf]) -> None:
        with self._db.transaction() as connection:
            number = self._number(page.origin)
            connection.executemany(
                "INSERT OR IGNORE INTO log_shown VALUES (?, ?, ?, ?)",
                [(leaf.event, number, page.start + i, leaf.received) for i, leaf in enumerate(leaves)],
            )
            connection.execute(
                "INSERT OR IGNORE INTO log_forked"
                " SELECT log FROM log_shown WHERE log = ? AND number >= ? AND number < ?"
                " GROUP BY log, number HAVING count(*) > 1",
                (number, page.start, page.checkpoint.size),
            )
            connection.execute(
                "UPDATE log_pages SET state = 'proven' WHERE database = ? AND doc_id = ?", (database, doc_id)
            )
        self._check_cosigned(page.origin)
        self._tell(database, self._shown(number) if self._is_forked(page.origin) else [leaf.event for leaf in leaves])

    def _shown(self, number: int) -> list[bytes]:
        return [bytes(row["event"]) for row in self._db.rows("SELECT event FROM log_shown WHERE log = ?", (number,))]

    def _check_cosigned(self, origin: str) -> None:
        """Compare cosigned heads with the trees their pages make; one that differs is evidence, never a proof."""
        number = self._number(origin)
        sql = "SELECT * FROM log_cosigned WHERE log = ? AND state = 'waiting' ORDER BY size"
        for row in self._db.rows(sql, (number,)):
            root = self._root_at(number, origin, row["size"])
            if root is None:
                continue
            state = "holds" if root == row["root"] else "contradicts"
            with self._db.transaction() as connection:
                connection.execute(
                    "UPDATE log_cosigned SET state = ? WHERE log = ? AND size = ? AND witness = ?",
                    (state, number, row["size"], row["witness"]),
                )
            if state == "contradicts":
                _LOG.error("%s: %s cosigned another history of %d leaves", origin, row["witness"], row["size"])
                reason = f"its pages show another history of {row['size']} leaves than {row['witness']} cosigned"
                self.on_contradiction(origin, row["note"], self._note_of_page(number, row["size"]), reason)

    def _root_at(self, number: int, origin: str, size: int) -> bytes | None:
        """Return the root of a log at `size` from leaves that are proven here, None while they are not."""
        for head in self._log.heads():
            if origin == log_origin(self._log.unit, head.generation):
                return self._log.tree(head.generation).root(size) if size <= head.size else None
        row = self._db.row(
            "SELECT * FROM log_pages WHERE log = ? AND start < ? AND size >= ? AND state = 'proven' LIMIT 1",
            (number, size, size),
        )
        if row is None:
            return None
        page = parse_log_document(self._store.open(row["database"]).get(DocId(row["doc_id"])).body)
        assert isinstance(page, Page)  # only pages have rows
        leaves = self._proven_leaves(number, page)
        return root_of(page, leaves[: size - page.start]) if len(leaves) == len(page.entries) else None

    def _note_of_page(self, number: int, size: int) -> str:
        """Return the signed head behind the page that shows leaf `size`; of our own log, its head."""
        row = self._db.row(
            "SELECT * FROM log_pages WHERE log = ? AND start < ? AND size >= ? AND state = 'proven' LIMIT 1",
            (number, size, size),
        )
        if row is None:
            return self._log.head().note
        page = parse_log_document(self._store.open(row["database"]).get(DocId(row["doc_id"])).body)
        return page.note

    def _proven_leaves(self, number: int, page: Page) -> list[Leaf]:
        found = []
        for i, entry in enumerate(page.entries):
            for event in self._candidates(entry.prefix):
                sql = "SELECT 1 FROM log_shown WHERE event = ? AND log = ? AND number = ?"
                if self._db.row(sql, (event, number, page.start + i)) is not None:
                    found.append(Leaf(event, entry.received))
        return found

    def _number(self, origin: str) -> int:
        row = self._db.row("SELECT number FROM log_origins WHERE origin = ?", (origin,))
        assert row is not None  # noted before anything of it is
        return int(row["number"])


def root_of(page: Page, leaves: Iterable[Leaf]) -> bytes:
    """Return the root of a page's log with `leaves` behind what went before the page."""
    edge = page.new_edge()
    for leaf in leaves:
        edge.add(leaf.hash())
    return edge.root()


def _event_id(event: bytes) -> str:
    return "sha256-" + base64url.encode(event)


def _read(database: Database, ids: Sequence[str]) -> list[Doc]:
    requests = [GetRequest(DocId(each)) for each in ids]
    return [doc for docs in database.bulk_get(requests) for doc in docs if isinstance(doc, Doc)] if requests else []


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
