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

The other bound, before which an event cannot have existed, is a head that its author names (`heads`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from crypto import base64url
from crypto.errors import CryptoError
from crypto.hashing import parse_sha256_id
from crypto.logcert import parse_log_origin
from replication.document import Doc, DocId, Seq
from replication.errors import NotFound
from replication.store import ZERO, Database, GetRequest, Store
from server.dossier import units
from server.dossier.documents import LOG_PREFIX, TIMESTAMP_PREFIX
from server.errors import ServerError
from server.intake.logs import log_signer
from server.log.cosignatures import Cosignatures, Kept
from server.log.heads import Heads
from server.log.log import NodeLog
from server.log.origins import Origins
from server.log.pagebook import PageBook
from server.log.pages import Cosigned, Page, parse_log_document, verify_cosigned, verify_page
from server.log.signers import LogSigners
from server.nodedb import NodeDb
from server.pki.directory import Directory
from server.timestamps.stamps import Stamps

_LOG = logging.getLogger(__name__)

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_followed (database TEXT PRIMARY KEY, instance TEXT NOT NULL, seq TEXT NOT NULL);
"""

_PAGE = 1000

ProvenBy = Literal["log", "cosignature", "timestamp"]


class Listener(Protocol):
    """Whoever wants to know what was proven. Called in the thread that follows the feeds."""

    def __call__(self, database: str, events: set[str], checkpoint: str = "") -> None:
        """`events` (ids) of a database have new proofs; `checkpoint`, a head's name, has a known time from now on."""
        ...


@dataclass(frozen=True, slots=True)
class ProvenTime:
    """The earliest instant at which an event is proven to have existed, by what, in the log of which name.

    For a time-stamp `origin` is the authority's name in the trust policy. `claimed` is the log's own time; it differs
    from `at` where a cosignature says that it cannot be true. `is_logged` says whether the log that counts is known to
    hold the event, of whatever the time comes: until it is, an earlier one may still come.
    """

    at: datetime
    by: ProvenBy
    origin: str
    claimed: datetime
    is_logged: bool = field(default=True, compare=False)


class Proofs:
    """Proven times of events. Safe from several threads. `catch_up` is called by whoever follows the feeds."""

    def __init__(self, db: NodeDb, store: Store, directory: Directory, log: NodeLog, stamps: Stamps) -> None:
        self._db = db
        self.stamps = stamps
        self._store = store
        self._directory = directory
        self._log = log
        origins = Origins(db)
        self.heads = Heads(db, origins)
        self._cosignatures = Cosignatures(db, origins)
        self._book = PageBook(db, store, log, origins)
        self._turn = threading.Lock()
        self._tried: dict[str, tuple[tuple[int, int], ...]] = {}  # by database, at which sizes of our own log
        self._listeners: list[Listener] = []
        self.on_contradiction: Callable[[str, str, str, str], None] = lambda *_: None  # origin, known, shown, reason
        db.ensure(SCHEMA)
        self.signers = LogSigners(db, directory)
        if self.heads.began_empty or self.signers.is_empty():  # a home older than one of them reads its log once more
            with db.transaction() as connection:
                connection.execute("DELETE FROM log_followed")

    def listen(self, listener: Listener) -> None:
        """Tell `listener` whenever events were proven, or a head, in the follower's thread."""
        self._listeners.append(listener)

    # Asking

    def earliest(self, database: str, event_id: str) -> ProvenTime | None:
        """Return the earliest proven time of the event `event_id` ("sha256-…") of a database, None if there is none.

        Costs two or three lookups by key. The answer can only become earlier, or come into being, as documents arrive.
        """
        event = parse_sha256_id(event_id)
        times = [self._time(*place) for place in self._places(database, event)]
        is_logged = bool(times)
        stamp = self.stamps.earliest(database, event)
        if stamp is not None:
            times.append(ProvenTime(stamp.at, "timestamp", stamp.authority, stamp.at))
        found = min(times, key=lambda each: (each.at, each.origin), default=None)
        return None if found is None else replace(found, is_logged=is_logged)

    def proven_at(self, database: str, event_id: str) -> datetime | None:
        """Return `earliest(…).at`, or None."""
        found = self.earliest(database, event_id)
        return found.at if found is not None else None

    def kept(self, database: str, event_id: str) -> Kept | None:
        """Return how the log keeps an event, as far as this node can show; None if it is in no log known here."""
        return self._cosignatures.kept(self._places(database, parse_sha256_id(event_id)))

    def seen_at(self, database: str, checkpoint: str) -> datetime | None:
        """Return the time of a head (its name) of the log that counts for a database, None while it is not known."""
        return self.heads.seen_at(database, checkpoint)

    def reach(self, database: str) -> tuple[tuple[int, int], ...]:
        """Return (generation, size) of our own log's generations if it counts for a database, () if another does."""
        return self._sizes() if units.unit_of_database(database) == self._log.unit else ()

    def is_cosigned(self, origin: str) -> bool:
        """Say whether any head of a log is known to be cosigned."""
        return self._cosignatures.is_any(origin)

    def cosigned_size(self, origin: str, witness: str) -> int:
        """Return the size of the newest head of a log that `witness` is known to have cosigned, 0 if none."""
        return self._cosignatures.newest_size(origin, witness)

    def cosigned_note(self, origin: str, number: int) -> tuple[int, str] | None:
        """Return (size, note) of the first cosigned head of a log that covers leaf `number`, None if none does."""
        return self._cosignatures.covering(origin, number)

    def _places(self, database: str, event: bytes) -> list[tuple[str, int, int]]:
        """Return (origin, number, received) of the event's leaves in the log that counts for a database."""
        owner = units.unit_of_database(database)
        found = [place for place in self._book.places(event) if owner is None or parse_log_origin(place[0])[0] == owner]
        if owner is None or owner == self._log.unit:
            placed = self._log.place(event)
            if placed is not None:
                found.append((self._log.origin(placed.generation), placed.number, placed.leaf.received))
        return found

    def _time(self, origin: str, number: int, received: int) -> ProvenTime:
        if self._book.is_forked(origin):  # nobody can tell which of its histories was cosigned: its own word is left
            return ProvenTime(_utc(received), "log", origin, _utc(received))
        ceiling, floor = self._cosignatures.bounds(origin, number)
        by_log = max(received, floor or 0)
        if ceiling is not None and ceiling < by_log:
            return ProvenTime(_utc(ceiling), "cosignature", origin, _utc(received))
        return ProvenTime(_utc(by_log), "log", origin, _utc(received))

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
        # A feed may be read before the events in it have their leaves, which is what a waiting page looks for.
        sizes = self._sizes()
        if moved or sizes != self._tried.get(name):
            self._try_again(opened)
            self._tried[name] = sizes
        if moved or judge_again:
            self._prove_stamps(opened, judge_again=judge_again)

    def _sizes(self) -> tuple[tuple[int, int], ...]:
        return tuple((head.generation, head.size) for head in self._log.heads())

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
                self._cosignatures.take(found, verify_cosigned(found, *signers), signers[1].unit)
                self._check_cosigned(database, found.origin)
            else:
                verify_page(found, *signers)
                self._take_page(database, doc.id, found)
            self.signers.note(database, {key: each.unit for key, each in zip(found.keys, signers, strict=True)})
        except (CryptoError, ServerError, ValueError) as exc:
            _LOG.error("%s in %s proves nothing, run tram verify: %s", doc.id, database, exc)

    def _take_page(self, database: str, doc_id: str, page: Page) -> None:
        if self._book.is_ours(page):  # our own leaves are at hand
            self._tell(database, (), self._note_head(page))
            return
        self._book.take(database, doc_id, page)
        self._prove(database, doc_id, page)

    def _try_again(self, database: Database) -> None:
        """Look again at pages that waited for events."""
        for doc in _read(database, self._book.waiting(database.name)):
            page = parse_log_document(doc.body)
            if isinstance(page, Page):
                self._prove(database.name, doc.id, page)

    def _prove(self, database: str, doc_id: str, page: Page) -> None:
        leaves = self._book.prove(database, doc_id, page)
        if not leaves:
            return
        self._check_cosigned(database, page.origin)
        proven = self._book.shown(page.origin) if self._book.is_forked(page.origin) else [e.event for e in leaves]
        self._tell(database, proven, self._note_head(page))

    def _note_head(self, page: Page) -> str:
        return self.heads.note(page.checkpoint, max(entry.received for entry in page.entries))

    def _check_cosigned(self, database: str, origin: str) -> None:
        """Compare cosigned heads with the trees their pages make; one that differs is evidence, never a proof. One that
        holds may say of events that they came earlier, or later, than the log says."""
        contradictions, reaches = self._cosignatures.check(origin, lambda size: self._book.root_at(origin, size))
        for each in contradictions:
            reason = f"its pages show another history of {each.size} leaves than {each.witness} cosigned"
            self.on_contradiction(origin, each.note, self._book.note_at(origin, each.size), reason)
        if moved := {event for reach in reaches for event in self._book.moved(origin, reach)}:
            self._tell(database, moved)

    def _prove_stamps(self, database: Database, *, judge_again: bool) -> None:
        """Look at time-stamps again. Where the policy changed, every event that has one is told of."""
        proven = self.stamps.prove(database)
        if judge_again:
            proven = self.stamps.events(database.name)
        if proven:
            self._tell(database.name, proven)

    def _tell(self, database: str, events: Iterable[bytes], checkpoint: str = "") -> None:
        ids = {_event_id(each) for each in events}
        for listener in self._listeners:
            listener(database, ids, checkpoint)


def _event_id(event: bytes) -> str:
    return "sha256-" + base64url.encode(event)


def _read(database: Database, ids: Sequence[str]) -> list[Doc]:
    requests = [GetRequest(DocId(each)) for each in ids]
    return [doc for docs in database.bulk_get(requests) for doc in docs if isinstance(doc, Doc)] if requests else []


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
