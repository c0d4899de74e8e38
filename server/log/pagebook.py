"""What pages show of logs: which leaf stands where, proven by the root that the log signed.

A page names events by the beginning of their hashes. Every event this node holds has a leaf in its own log, which
finds them; a page with an event that has not come yet waits for it, alone.

A log that is shown to hold two events at one place is *forked*: it went on from an older copy of itself, or it lies.
"""

from __future__ import annotations

from itertools import islice, product
from typing import Final

from crypto.logcert import log_origin, parse_log_origin
from replication.document import DocId
from replication.store import Store
from server.intake.erased import SCHEMA as ERASED_SCHEMA
from server.log.cosignatures import Reach
from server.log.leaves import PREFIX_BYTES, Leaf
from server.log.log import NodeLog
from server.log.origins import Origins
from server.log.pages import Page, parse_log_document
from server.nodedb import NodeDb

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_shown (
    event BLOB NOT NULL, log INTEGER NOT NULL, number INTEGER NOT NULL, received INTEGER NOT NULL,
    PRIMARY KEY (event, log, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_shown_place ON log_shown (log, number);
CREATE TABLE IF NOT EXISTS log_forked (log INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS log_pages (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, log INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_pages_place ON log_pages (log, size);
"""
# ?2 to ?5 are `Reach`: start, size, end, time.
_MOVED: Final = """((number >= ?2 AND number < ?3 AND received > ?5)
    OR (number >= ?3 AND (?4 IS NULL OR number < ?4) AND received < ?5))"""

_MAX_GUESSES: Final = 256  # combinations of events that share a prefix; two in one page are a rarity, nine an attack


class PageBook:
    """The pages one node has taken, and the leaves they prove. Of its own log only what it does not hold itself."""

    def __init__(self, db: NodeDb, store: Store, log: NodeLog, origins: Origins) -> None:
        self._db = db
        self._store = store
        self._log = log
        self._origins = origins
        db.ensure(SCHEMA)
        db.ensure(ERASED_SCHEMA)

    # Taking

    def is_ours(self, page: Page) -> bool:
        """Whether our own log holds the page. After a restore it may not, and the page that comes back knows more."""
        if page.unit != self._log.unit:
            return False
        for head in self._log.heads():
            if head.generation == page.generation and page.checkpoint.size <= head.size:
                return self._log.tree(head.generation).root(page.checkpoint.size) == page.checkpoint.root
        return False

    def take(self, database: str, doc_id: str, page: Page) -> None:
        """Note a page whose signature has been checked; `prove` says whether its events are here."""
        with self._db.transaction() as connection:
            number = self._origins.number(page.origin)
            connection.execute(
                "INSERT OR IGNORE INTO log_pages VALUES (?, ?, ?, ?, ?, 'waiting')",
                (database, doc_id, number, page.start, page.checkpoint.size),
            )

    def waiting(self, database: str) -> list[str]:
        """Return the ids of the pages of a database that wait for events."""
        sql = "SELECT doc_id FROM log_pages WHERE database = ? AND state = 'waiting' ORDER BY log, start"
        return [str(row["doc_id"]) for row in self._db.rows(sql, (database,))]

    def prove(self, database: str, doc_id: str, page: Page) -> list[Leaf]:
        """Restore the leaves of a page and note them if they make the root that the log signed. Returns them; empty
        while an event is not here, or those that are here are not the ones that are meant."""
        candidates = [self._candidates(entry.prefix) for entry in page.entries]
        if not all(candidates):
            return []
        for events in islice(product(*candidates), _MAX_GUESSES):
            leaves = [Leaf(event, entry.received) for event, entry in zip(events, page.entries, strict=True)]
            if page.root_with(leaves) == page.checkpoint.root:
                self._note(database, doc_id, page, leaves)
                return leaves
        return []  # the one that is meant may still come, and begin with the same bytes as another

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

    def _note(self, database: str, doc_id: str, page: Page, leaves: list[Leaf]) -> None:
        with self._db.transaction() as connection:
            number = self._origins.number(page.origin)
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

    # Asking

    def places(self, event: bytes) -> list[tuple[str, int, int]]:
        """Return (origin, number, received) for each place at which proven pages show an event (its hash)."""
        rows = self._db.rows(
            "SELECT o.origin, p.number, p.received FROM log_shown p JOIN log_origins o ON o.number = p.log"
            " WHERE p.event = ?",
            (event,),
        )
        return [(row["origin"], row["number"], row["received"]) for row in rows]

    def shown(self, origin: str) -> list[bytes]:
        """Return the hashes of all events that pages show in a log."""
        rows = self._db.rows("SELECT event FROM log_shown WHERE log = ?", (self._origins.number(origin),))
        return [bytes(row["event"]) for row in rows]

    def moved(self, origin: str, reach: Reach) -> set[bytes]:
        """Return the hashes of the events of a log that say another time than a cosigned head admits."""
        number, what = self._origins.number(origin), (reach.start, reach.size, reach.end, reach.time)
        sql = f"SELECT event FROM log_shown WHERE log = ?1 AND {_MOVED}"  # noqa: S608 - a condition of ours
        rows = self._db.rows(sql, (number, *what))
        unit, generation = parse_log_origin(origin)
        if unit == self._log.unit:
            sql = f"SELECT event FROM log_leaves WHERE generation = ?1 AND {_MOVED}"  # noqa: S608 - the same
            rows += self._db.rows(sql, (generation, *what))
        return {bytes(row["event"]) for row in rows}

    def is_forked(self, origin: str) -> bool:
        """Whether two leaves of a log are shown to stand at one place."""
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

    def root_at(self, origin: str, size: int) -> bytes | None:
        """Return the root of a log at `size` from leaves that are proven here, None while they are not."""
        for head in self._log.heads():
            if origin == log_origin(self._log.unit, head.generation) and size <= head.size:
                return self._log.tree(head.generation).root(size)
        number = self._origins.number(origin)
        page = self._page_at(number, size)
        if page is None:
            return None
        leaves = self._proven_leaves(number, page)
        return page.root_with(leaves[: size - page.start]) if len(leaves) == len(page.entries) else None

    def note_at(self, origin: str, size: int) -> str:
        """Return the signed head behind the page that shows leaf `size`; of our own log, its head."""
        page = self._page_at(self._origins.number(origin), size)
        return self._log.head().note if page is None else page.note

    def _page_at(self, number: int, size: int) -> Page | None:
        """Return the proven page in which the tree of `size` leaves ends."""
        row = self._db.row(
            "SELECT * FROM log_pages WHERE log = ? AND start < ? AND size >= ? AND state = 'proven' LIMIT 1",
            (number, size, size),
        )
        if row is None:
            return None
        page = parse_log_document(self._store.open(row["database"]).get(DocId(row["doc_id"])).body)
        assert isinstance(page, Page)  # only pages have rows
        return page

    def _proven_leaves(self, number: int, page: Page) -> list[Leaf]:
        found = []
        for i, entry in enumerate(page.entries):
            for event in self._candidates(entry.prefix):
                sql = "SELECT 1 FROM log_shown WHERE event = ? AND log = ? AND number = ?"
                if self._db.row(sql, (event, number, page.start + i)) is not None:
                    found.append(Leaf(event, entry.received))
        return found
