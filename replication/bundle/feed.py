"""A database's feed cut into stretches that fit a frame, in the feed's own order, a few documents at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replication.bundle.frames import FRAME_BYTES
from replication.bundle.records import pack_document
from replication.document import Doc, DocId, Seq
from replication.errors import Unavailable
from replication.replicator.checkpoint import has_one_order, seq_number
from replication.store import ChangeRow, Database, GetRequest

PAGE_ROWS = 1000
AT_ONCE = 32  # documents read together: a mebibyte of chunks

Wants = Callable[[DocId], bool]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The packed documents that stand after `since` and up to `until`; none for a stretch that held nothing wanted.

    `places` is where each of them stands; empty where they have no place in a feed.
    """

    records: tuple[bytes, ...]
    since: Seq
    until: Seq
    places: tuple[Seq, ...] = ()

    def first_half(self) -> Stretch | None:
        """Return the first half of the documents, up to the last of them; None for one document or none."""
        half = len(self.records) // 2
        if not half or not self.places:
            return None
        return Stretch(self.records[:half], self.since, self.places[half - 1], self.places[:half])

    @property
    def size(self) -> int:
        """Bytes of the records."""
        return sum(map(len, self.records))


def read_ids(database: Database, since: Seq, end: Seq) -> Iterator[Sequence[ChangeRow]]:
    """Yield the rows after `since` up to `end`, page by page, without bodies. Tombstones are left out.

    Of CouchDB everything after `since` comes: no number tells which rows of which shard stand behind `end`, and what
    came meanwhile may go twice, but what stood before must not be left out.
    """
    last, ordered = seq_number(end), has_one_order(end)
    while True:
        page = database.changes(since, limit=PAGE_ROWS)
        rows = [row for row in page.rows if not ordered or seq_number(row.seq) <= last]
        yield [row for row in rows if not row.deleted]
        if len(rows) < len(page.rows) or not page.rows or not page.pending:
            return
        since = page.last_seq


def read_stretches(database: Database, since: Seq, end: Seq, wants: Wants = lambda _: True) -> Iterator[Stretch]:
    """Yield the wanted documents after `since` up to `end` as stretches that follow one another without a gap.

    The last one ends at `end`, whatever it holds; of CouchDB more may come, as `read_ids` says. Raises `Unavailable`
    for a document that the feed names and that cannot be read now: a hole would look like the whole.
    """
    records: list[bytes] = []
    places: list[Seq] = []
    size, begin, reached = 0, since, since
    for rows in read_ids(database, since, end):
        wanted = [row for row in rows if wants(row.id)]
        for row, doc in _read(database, wanted):
            record = pack_document(doc)
            if records and size + len(record) > FRAME_BYTES:
                yield Stretch(tuple(records), begin, reached, tuple(places))
                records, places, size, begin = [], [], 0, reached
            records.append(record)
            places.append(row.seq)
            size, reached = size + len(record), row.seq
    yield Stretch(tuple(records), begin, end, tuple(places))


def read_again(database: Database, since: Seq, until: Seq) -> Iterator[Stretch]:
    """Yield the stretches between two positions that `read_stretches` gave out before. Raises as it does."""
    later: set[DocId] = set()
    if not has_one_order(until):  # or all that came since would go with it
        for rows in read_ids(database, until, until):
            later.update(row.id for row in rows)
    yield from read_stretches(database, since, until, lambda doc_id: doc_id not in later)


def read_documents(database: Database, ids: Sequence[DocId]) -> Iterator[Doc]:
    """Yield those of the documents that are here, with their bytes."""
    for start in range(0, len(ids), AT_ONCE):
        requests = [GetRequest(each) for each in ids[start : start + AT_ONCE]]
        for docs in database.bulk_get(requests, attachments=True):
            yield from (doc for doc in docs if isinstance(doc, Doc) and not doc.deleted)


def _read(database: Database, rows: Sequence[ChangeRow]) -> Iterator[tuple[ChangeRow, Doc]]:
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        found = database.bulk_get([GetRequest(row.id, row.leaves[0]) for row in some], attachments=True)
        for row, docs in zip(some, found, strict=True):
            doc = docs[0] if docs else None
            if not isinstance(doc, Doc):
                raise Unavailable(f"{database.name} names {row.id} in its feed, and it cannot be read now; try again")
            yield row, doc
