"""One reader's walk along a feed of changes: pages of rows, waiting, and what they look like."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from replication.document import Doc, Seq
from replication.errors import NotFound
from replication.http.budget import Share
from replication.http.documents import conflicts_meta
from replication.http.filters import Filter
from replication.http.weighing import AS_JSON, split, weigh_found
from replication.store import ChangeRow, ChangesPage, Database, GetRequest
from replication.wire import render_document

PAGE = 2000
DOCS_PAGE = 100
# How long a waiting feed may go without a look at whether the server stops.
SLICE_S = 0.5


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """The options of one feed. `heartbeat_s` None means that silence ends the feed after `timeout_s`.

    Neither is longer than `Limits.max_feed_wait_s`, whatever was asked: only what is sent finds that a reader has gone,
    and until then a worker waits for it.
    """

    feed: str
    since: Seq
    limit: int | None
    descending: bool
    all_leaves: bool
    include_docs: bool
    conflicts: bool
    attachments: bool
    encoding_info: bool
    encoded: bool
    heartbeat_s: float | None
    timeout_s: float
    seq_interval: int
    filter: Filter


EVENT_BEAT = b"event: heartbeat\ndata: \n\n"


def as_line(row: bytes, seq: Seq) -> bytes:
    """Return a row of a continuous feed."""
    return row + b"\n"


def as_event(row: bytes, seq: Seq) -> bytes:
    """Return a row as a server-sent event."""
    return b"data: " + row + b"\nid: " + orjson.dumps(seq) + b"\n\n"


class Feed:
    """One reader's walk along the feed: pages of rows, and where it stands."""

    def __init__(self, stopping: threading.Event, database: Database, options: FeedOptions, share: Share) -> None:
        self._stopping = stopping
        self._database = database
        self._options = options
        self._share = share
        self._left = options.limit
        self._seq = options.since
        self._pending = 0
        self._sent = 0

    def first(self) -> tuple[ChangeRow, ...]:
        """Return the first page's rows. Raises what the store raises."""
        return self._next_page()

    def _next_page(self) -> tuple[ChangeRow, ...]:
        options = self._options
        size: int | None = DOCS_PAGE if options.include_docs or options.filter.test else PAGE
        if options.descending:
            size = None  # the store ignores `since` going down, so this walk is one page
        # A filter drops rows, so a limit cannot be handed to the store with it.
        if self._left is not None and not (options.filter.drops_rows and self._left):
            size = self._left if size is None else min(size, self._left)
        page = self._read(size)
        rows = options.filter.apply(self._database, page.rows, all_leaves=options.all_leaves)
        self._seq, self._pending = page.last_seq, page.pending
        if self._left is not None:
            if len(rows) > self._left:
                self._rewind(page, rows[self._left - 1] if self._left else None)
            rows = rows[: self._left]
            self._left -= len(rows)
        return rows

    def _read(self, size: int | None) -> ChangesPage:
        options = self._options
        return self._database.changes(
            self._seq, limit=size, descending=options.descending, doc_ids=options.filter.doc_ids
        )

    def _rewind(self, page: ChangesPage, last: ChangeRow | None) -> None:
        """Stand behind the last row that is sent, when a limit cuts a filtered page."""
        if last is None:
            return
        self._seq = last.seq
        self._pending = page.pending + len(page.rows) - 1 - page.rows.index(last)

    @property
    def _is_over(self) -> bool:
        return self._left == 0

    def _pages(self, first: tuple[ChangeRow, ...]) -> Iterator[tuple[ChangeRow, ...]]:
        """Yield the pages there are now, empty ones left out."""
        rows = first
        while True:
            if rows:
                yield rows
            if not self._pending or self._is_over or self._options.descending or self._stopping.is_set():
                return
            rows = self._next_page()

    def normal(self, first: tuple[ChangeRow, ...]) -> Iterator[bytes]:
        """Yield the whole feed as one JSON object."""
        yield b'{"results":[\n'
        yield from self._joined(self._pages(first))
        yield self._end_object()

    def longpoll(self, first: tuple[ChangeRow, ...]) -> Iterator[bytes]:
        """Yield the feed; where there is nothing yet, wait for the first rows."""
        yield b'{"results":[\n'
        pages = self._pages(first)
        page = next(pages, None)
        waiting = self._waits(b"\n")
        while page is None and not self._is_over:
            beat = next(waiting, None)
            if beat is None:
                break
            if beat:
                yield beat
                continue
            if self._is_over:
                break
            pages = self._pages(self._next_page())
            page = next(pages, None)
        if page is not None:
            yield from self._joined(itertools.chain((page,), pages))
        yield self._end_object()

    def endless(self, first: tuple[ChangeRow, ...], dress: Any, beat: bytes) -> Iterator[bytes]:
        """Yield rows as they come, each dressed by `dress`, until limit, timeout or the end of the server."""
        yield from self._dressed(self._pages(first), dress)
        for sign in self._waits(beat) if not self._is_over else ():
            if sign:
                yield sign
                continue
            if self._is_over:
                break
            yield from self._dressed(self._pages(self._next_page()), dress)
            if self._is_over:
                break
        if dress is as_line:
            yield orjson.dumps({"last_seq": self._seq, "pending": self._pending}) + b"\n"

    def _waits(self, beat: bytes) -> Iterator[bytes]:
        """Yield `beat` after every heartbeat of silence and b"" for news; end with the timeout or the server.

        News that a filter drops break no silence: the reader still hears its heartbeat.
        """
        options, sent = self._options, self._sent
        bound = options.timeout_s if options.heartbeat_s is None else options.heartbeat_s
        quiet_since = time.monotonic()
        while not self._stopping.is_set():
            left = quiet_since + bound - time.monotonic()
            if left <= 0:
                if options.heartbeat_s is None:
                    return
                yield beat
                quiet_since = time.monotonic()
            elif self._has_news(min(SLICE_S, left)):
                yield b""
                if self._sent != sent:
                    sent, quiet_since = self._sent, time.monotonic()

    def _has_news(self, timeout_s: float) -> bool:
        try:
            return self._database.wait_for_change(self._seq, timeout_s)
        except NotFound:  # the database was deleted under its reader: nothing will ever come
            self._left = 0
            return True

    def _joined(self, pages: Iterator[tuple[ChangeRow, ...]]) -> Iterator[bytes]:
        separator = b""
        for page in pages:
            for part in self._parts(page):
                yield separator + b",\n".join(self._render(part))
                separator = b",\n"

    def _dressed(self, pages: Iterator[tuple[ChangeRow, ...]], dress: Any) -> Iterator[bytes]:
        for page in pages:
            for part in self._parts(page):
                yield b"".join(dress(text, row.seq) for text, row in zip(self._render(part), part, strict=True))

    def _end_object(self) -> bytes:
        return b'\n],\n"last_seq":%b,"pending":%d}\n' % (orjson.dumps(self._seq), self._pending)

    def _render(self, rows: tuple[ChangeRow, ...]) -> list[bytes]:
        if not self._options.include_docs:
            return [self._render_row(row) for row in rows]
        docs = self._fetch(rows)
        return [self._render_row(row)[:-1] + b',"doc":' + doc + b"}" for row, doc in zip(rows, docs, strict=True)]

    def _parts(self, page: tuple[ChangeRow, ...]) -> Iterator[tuple[ChangeRow, ...]]:
        """Yield a page in parts whose files fit into memory, which is taken for one part at a time."""
        if not (self._options.include_docs and self._options.attachments):
            yield page
            return
        stubs = self._database.bulk_get([GetRequest(row.id, row.leaves[0]) for row in page])
        for part, weight in split(page, [weigh_found(found) for found in stubs]):
            self._share.settle(weight * AS_JSON)
            yield tuple(part)

    def _render_row(self, row: ChangeRow) -> bytes:
        leaves = row.leaves if self._options.all_leaves else row.leaves[:1]
        interval = self._options.seq_interval
        # Long seqs are most of a row; a reader that takes a page at a time needs only `last_seq`.
        seq = b'"%b"' % row.seq.encode() if self._sent % interval == 0 else b"null"
        self._sent += 1
        changes = b",".join([b'{"rev":"%b"}' % rev.encode() for rev in leaves])
        end = b',"deleted":true}' if row.deleted else b"}"
        return b'{"seq":%b,"id":%b,"changes":[%b]%b' % (seq, orjson.dumps(row.id), changes, end)

    def _fetch(self, rows: tuple[ChangeRow, ...]) -> list[bytes]:
        options = self._options
        requests = [GetRequest(row.id, row.leaves[0]) for row in rows]
        found = self._database.bulk_get(requests, attachments=options.attachments)
        return [
            render_document(
                docs[0],
                data=options.attachments,
                encoding_info=options.encoding_info,
                encoded=options.encoded,
                meta=conflicts_meta(self._database, docs[0]) if options.conflicts else None,
            )
            if docs and isinstance(docs[0], Doc)
            else b"null"  # edited and compacted in between
            for docs in found
        ]
