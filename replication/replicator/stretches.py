"""The source's feed, read a stretch at a time: rows alone, or with their documents where those are surely wanted."""

from __future__ import annotations

import time
from dataclasses import dataclass

from replication.document import Seq
from replication.errors import LinkError, StoreError, TooLarge
from replication.peers import FeedAnswer, Peer
from replication.peers.pending import Pending
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.wire import Pace, Wire

LOCAL_FEED_LIMIT = 200
# A stretch of the feed with its documents: so much of the line's time, less where others are more urgent. What has come
# is kept when the line breaks, so a long one costs nothing but the patience of those behind it.
STRETCH_S = 20.0
# A pair that shares the line with no other pull keeps nobody waiting: a round trip less often.
LONE_STRETCH_S = 60.0
# An answer is held until it is whole: 4 MB on the line are up to 16 MB of JSON.
MAX_STRETCH_BYTES = 4 * 1024 * 1024
LEAST_STRETCH_S = 4.0
FIRST_STRETCH_DOCS = 8
STRETCH_GROWTH = 8
MAX_STRETCH_DOCS = 2000
FEED_ROW_BYTES = 120  # of a row without a seq


@dataclass(slots=True, eq=False)
class _Reading:
    pending: Pending[FeedAnswer]
    begun: float
    docs: int  # so many were asked for with their documents; 0: rows alone


class Stretches:
    """`wire` is the source's, None where it is in this process. `doc_bytes` is what a document takes, learnt here and
    by whoever shares it.

    `seq` is where the feed is read on, `at_end` whether it has been read to its end, `pending_rows` how many rows
    follow. `stretch_s` is how long the line may carry one stretch.
    """

    def __init__(self, source: Peer, wire: Wire | None, pace: Pace, tally: Tally, doc_bytes: Ratio) -> None:
        self._source = source
        self._wire = wire
        self._pace = pace
        self._tally = tally
        self._doc_bytes = doc_bytes
        self._reading: _Reading | None = None
        self._limit = FIRST_STRETCH_DOCS
        self._most = MAX_STRETCH_DOCS  # at 0 rows are read alone, and documents fetched by name
        self.stretch_s = STRETCH_S
        self.seq = Seq("0")
        self.at_end = False
        self.pending_rows = 0

    @property
    def is_reading(self) -> bool:
        """Is a stretch on its way?"""
        return self._reading is not None

    def begin(self, since: Seq, page: Pending[FeedAnswer] | None, *, at_end: bool) -> None:
        """Read on from `since`; `page` was asked for earlier."""
        self.seq = since
        self._reading = _Reading(page, time.monotonic(), docs=0) if page is not None else None
        self.at_end = at_end

    def turn(self, now: float, *, with_docs: bool) -> bool:
        """Ask for the next stretch, unless one is on its way. Tell whether it was asked for."""
        with_docs = with_docs and self._most > 0
        if self.at_end or self.is_reading or (with_docs and not self._has_room()):
            return False
        limit = self._docs_at_once() if with_docs else self._rows_at_once(now)
        self._reading = _Reading(self._source.feed(self.seq, limit, docs=with_docs), now, limit if with_docs else 0)
        if with_docs and self._wire is not None:
            each = self._doc_bytes
            # Of documents of unknown size it may take all the time it may have.
            size = limit * each.value if each.measured else self._wire.meter.down.value * self.stretch_s
            self._wire.expect_stretch(size, now)
        return True

    def _has_room(self) -> bool:
        """One stretch travels while the next pair's waits: the line is never idle, and priority keeps its meaning."""
        return self._wire is None or self._wire.reads < 2

    def _docs_at_once(self) -> int:
        assert self._wire is not None
        size = min(self._wire.meter.down.value * self.stretch_s, MAX_STRETCH_BYTES)
        fitting = size / max(1.0, self._doc_bytes.value)
        return int(max(1, min(fitting, self._limit)))

    def _rows_at_once(self, now: float) -> int:
        if self._wire is None:
            return LOCAL_FEED_LIMIT
        return int(max(20, min(500, self._wire.meter.down_batch_bytes(now) / FEED_ROW_BYTES)))

    def reap(self, now: float) -> FeedAnswer | None:
        """Take the stretch that has come. None while none has, or where nothing came of it."""
        if self._reading is None or not self._reading.pending.done:
            return None
        reading, self._reading = self._reading, None
        if reading.docs and self._wire is not None:
            self._wire.end_stretch()
        try:
            answer = reading.pending.result()
        except LinkError as exc:
            self._pace.heed(exc, now, self._source)  # asked for again on the next connection
            return None
        except TooLarge as exc:
            self._take_less(reading.docs, exc, now)
            return None
        except StoreError as exc:
            self._pace.fault(exc, now, self._source)
            return None
        self._pace.success(self._source)
        if reading.docs:
            self._measure(reading, answer)
        self.seq = answer.page.last_seq
        self.pending_rows = answer.page.pending
        self.at_end = answer.page.pending == 0 or not answer.page.rows
        return answer

    def _take_less(self, docs: int, error: TooLarge, now: float) -> None:
        """An answer was more than we take: ask for less from now on, for what fitted before it grew if that did."""
        if not docs:
            self._pace.fault(error, now, self._source)
        self._most = docs // STRETCH_GROWTH
        self._limit = max(1, self._most)

    def _measure(self, reading: _Reading, answer: FeedAnswer) -> None:
        self._tally.wire_in += answer.wire_bytes
        if self._wire is None or not answer.page.rows:
            return
        self._doc_bytes.observe(answer.wire_bytes / len(answer.page.rows))
        if not answer.torn:
            self._wire.read(answer.wire_bytes, reading.begun)
            self._limit = min(self._most, self._limit * STRETCH_GROWTH)
