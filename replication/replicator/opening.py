"""The first exchanges of a pair: who are both sides, what do they remember, and where to read on.

At most two round trips: greet, then fetch both logs. The second carries the feed along when our own notes already
say where it will go on, so that a pull with nothing new is over after it. A push to a server nothing is known of asks
in the first what the database holds, and where that is nothing there is no second. That it was met is noted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from replication.document import Seq
from replication.errors import DatabaseExists, LinkError, NotFound, StoreError
from replication.peers import FeedAnswer, Peer, Summary
from replication.peers.pending import Mapped, Pending
from replication.replicator.checkpoint import Log, common_log, parse_log_doc, seq_number
from replication.replicator.identity import Direction, build_replication_id
from replication.replicator.state import CheckpointState, Resume
from replication.store import ZERO, JsonObject

# Rows that may have been under way when the process died: three batches of small documents.
UNCLEAN_ROWS = 200
EVERY_ROW = 1 << 62
EARLY_FEED_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """Where to read on. The first `doubtful_rows` rows may be at the target already. `published` is the seq both
    logs have; `page` a stretch of the feed after `since` that is on its way. `at_end`: the source has nothing after
    `since`."""

    replication_id: str
    since: Seq
    doubtful_rows: int
    log: Log
    session_id: str | None
    published: Seq | None
    page: Pending[FeedAnswer] | None
    at_end: bool = False


class Opening:
    """Call `turn` until it returns an `Opened`; between two calls, pump. Raises `StoreError` where a side refuses."""

    def __init__(
        self, source: Peer, target: Peer, state: CheckpointState, direction: Direction, *, create_target: bool
    ) -> None:
        self._source = source
        self._target = target
        self._state = state
        self._direction = direction
        self._create_target = create_target
        self._met_key = "met-" + hashlib.sha256(target.label.encode()).hexdigest()[:16]
        self._names: tuple[Pending[str], Pending[str]] | None = None
        self._logs: tuple[Pending[JsonObject | None], Pending[JsonObject | None]] | None = None
        self._made: Pending[None] | None = None
        self._counted: Pending[Summary] | None = None
        self._page: Pending[FeedAnswer] | None = None
        self._id = ""
        self._resume: Resume | None = None
        self._vouched: Seq | None = None
        self._reached: Seq | None = None

    def vouch(self, seq: Seq | None, reached: Seq | None) -> None:
        """Say how far the database over there has got, if it is certain that it is as our last note left it, and how
        far this pair had got then."""
        self._vouched = seq
        self._reached = reached

    def restart(self) -> None:
        """Ask everything again: the connection was lost, and the answers with it."""
        self._names = self._logs = self._made = self._counted = self._page = None

    def turn(self) -> Opened | None:
        """Take what has come, ask what is next. None while an answer is due."""
        if self._names is None:
            is_first = self._is_first_meeting()
            self._names = (self._source.identity(), self._target.identity())
            if is_first:
                self._counted = self._target.summary()  # an empty or missing database has no log to be asked for
        if self._logs is None:
            if not all(name.done for name in self._names) or (self._counted is not None and not self._counted.done):
                return None
            uuids = self._names[0].result(), self._names[1].result()
            if self._vouched is not None and (opened := self._open_from_notes(*uuids, self._vouched)) is not None:
                return opened
            self._ask_logs(*uuids)
        assert self._logs is not None
        if not all(log.done for log in self._logs):
            return None
        return self._decide()

    def _is_first_meeting(self) -> bool:
        """Do we push to a database that nothing is known of?"""
        there = self._target.endpoint
        if self._source.endpoint is not None or there is None or there.identity is not None:
            return False
        return self._state.load_listing(self._met_key) is None

    def _open_from_notes(self, source_uuid: str, target_uuid: str, seq: Seq) -> Opened | None:
        """Return where to go on without asking the other side, None if our notes do not suffice.

        The log on our side must be the one our note belongs to: we may have been set back to a backup ourselves. And
        a target that is as it was before we sent more has lost what we sent.
        """
        self._identify(source_uuid, target_uuid)
        resume, pulls = self._resume, self._target.endpoint is None
        near = self._target if pulls else self._source
        if resume is None or not resume.clean or near.endpoint is not None:
            return None
        if resume.since != (seq if pulls else self._reached):
            return None
        log = parse_log_doc(near.get_local(self._id).result())
        if (log.session_id, log.recorded_seq) != (resume.session_id, resume.published):
            return None
        opened = self._opened(log, resume.since, 0, log)
        return replace(opened, at_end=pulls)

    def _identify(self, source_uuid: str, target_uuid: str) -> None:
        self._id = build_replication_id(source_uuid, self._source.name, target_uuid, self._target.name, self._direction)
        self._resume = self._state.load(self._id)

    def _ask_logs(self, source_uuid: str, target_uuid: str) -> None:
        self._identify(source_uuid, target_uuid)
        if self._counted is not None:
            self._state.save_listing(self._met_key, {"uuid": target_uuid})
        if self._resume is None and self._counted is not None and _is_bare(self._counted):
            self._logs = (self._source.get_local(self._id), Mapped(self._counted, lambda _nothing: None))
            return
        self._logs = (self._source.get_local(self._id), self._target.get_local(self._id))
        if self._resume is None and self._counted is None:
            self._counted = self._target.summary()  # most likely wanted, and a round trip is 600 ms
        if self._resume is not None and self._source.endpoint is not None:
            self._page = self._source.feed(self._begins_at(self._resume), EARLY_FEED_LIMIT, docs=False)

    def _decide(self) -> Opened | None:
        assert self._logs is not None
        mine = parse_log_doc(self._logs[0].result())
        try:
            theirs = parse_log_doc(self._logs[1].result())
        except NotFound:
            return self._make_target()
        resume = self._resume
        if resume is not None and (theirs.session_id, theirs.recorded_seq) == (resume.session_id, resume.published):
            return self._go_on(resume, theirs)
        common = common_log(mine, theirs)
        if common.recorded_seq == ZERO:
            return self._look_for_doubt()
        # Without notes of our own everything behind the common point is uncertain.
        known = theirs if common.recorded_seq == theirs.recorded_seq else None
        return self._opened(common, common.recorded_seq, EVERY_ROW, known)

    def _go_on(self, resume: Resume, theirs: Log) -> Opened:
        """The target's log is the one our note belongs to; what was acknowledged after that log is asked about.

        A copy of the target's files that is older than those acknowledgements, laid over them, has the same log. A
        target in this process is set back together with the note it keeps.
        """
        under_way = 0 if resume.clean else UNCLEAN_ROWS
        begin = self._begins_at(resume)
        if begin == resume.since:
            return self._opened(theirs, begin, under_way, theirs)
        # A row a seq at most, and the number of a seq grows by one with each.
        rows = seq_number(resume.since) - seq_number(begin) + under_way
        return self._opened(theirs, begin, rows if rows > under_way else EVERY_ROW, theirs)

    def _begins_at(self, resume: Resume) -> Seq:
        """Return where to read on if the target's log is the one our note belongs to."""
        return resume.since if self._target.endpoint is None else resume.published

    def _look_for_doubt(self) -> Opened | None:
        """From the beginning nothing is certain, unless there is nothing there."""
        if self._counted is None:
            self._counted = self._target.summary()
        if not self._counted.done:
            return None
        empty = self._counted.result().doc_count == 0
        return self._opened(Log(), ZERO, 0 if empty else EVERY_ROW)

    def _make_target(self) -> Opened | None:
        if not self._create_target:
            assert self._logs is not None
            self._logs[1].result()  # raises the NotFound it came with
        if self._made is None:
            self._made = self._target.create()
        if not self._made.done:
            return None
        try:
            self._made.result()
        except DatabaseExists:
            self._counted = None  # asked when it was not there yet
            return self._look_for_doubt()  # somebody else was quicker and may have written there
        return self._opened(Log(), ZERO, 0)

    def _opened(self, log: Log, since: Seq, doubtful_rows: int, there: Log | None = None) -> Opened:
        """`there` is the log the target has, where it is a good one to go on from."""
        page = self._page if self._resume is not None and since == self._begins_at(self._resume) else None
        session = there.session_id if there is not None else None
        published = there.recorded_seq if there is not None else None
        return Opened(self._id, since, doubtful_rows, log, session, published, page)


def _is_bare(counted: Pending[Summary]) -> bool:
    """Is the database missing, or was nothing ever written to it?"""
    try:
        return counted.result().doc_count == 0
    except NotFound:
        return True
    except (StoreError, LinkError):
        return False
