"""Writing down how far a pair got: our own note after every acknowledgement, both `_local` logs now and then."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email.utils import format_datetime

from replication.document import Seq
from replication.errors import LinkError, StoreError
from replication.peers import Peer
from replication.peers.pending import Pending
from replication.replicator.checkpoint import Log, Session, build_log_doc
from replication.replicator.figures import Tally
from replication.replicator.opening import Opened
from replication.replicator.state import CheckpointState, Resume

# Losing the logs costs one question about what followed them; writing them costs ~600 bytes on each side.
PUBLISH_EVERY_S = 60.0
PUBLISH_EVERY_BYTES = 200_000
RETRY_S = 30.0


def _now_text() -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)


class Journal:
    """The notes of one session."""

    def __init__(self, source: Peer, target: Peer, state: CheckpointState, opened: Opened, tally: Tally) -> None:
        self._peers = (source, target)
        self._state = state
        self._id = opened.replication_id
        self._tally = tally
        self._log = opened.log
        self._session_id = uuid.uuid4().hex
        # What the target's log says now, as far as we know: (session, seq); None before the first time.
        self._there = (opened.session_id, opened.published) if opened.session_id and opened.published else None
        self._writing: tuple[Pending[None], Pending[None], Log, Seq] | None = None
        self._saved: Resume | None = None
        self._published_at = 0.0
        self._published_bytes = tally.wire_out + tally.wire_in
        self._not_before = 0.0
        self.since = opened.since
        self.last_error: StoreError | None = None  # of the logs
        self.note_error: StoreError | None = None  # of our own note, None once it is written

    @property
    def is_published(self) -> bool:
        """Do both logs say what is true now?"""
        return self._there is not None and self._there[1] == self.since

    @property
    def is_writing(self) -> bool:
        return self._writing is not None

    def reached(self, since: Seq) -> None:
        """Note durably that everything up to `since` is acknowledged, more may be under way."""
        self.since = since
        self._save(clean=False)

    def rest(self) -> None:
        """Note durably that nothing is under way."""
        self._save(clean=True)

    def _save(self, *, clean: bool) -> None:
        if self._there is None or self._there[0] is None or self._there[1] is None:
            return  # a note is believed only together with a log at the target
        resume = Resume(self.since, self._there[0], self._there[1], clean)
        if resume == self._saved:
            return
        try:
            self._state.save(self._id, resume)
        except StoreError as exc:
            # Our disk is full, say: without the note the next run asks more. The documents had better go on.
            self.note_error = exc
        else:
            self._saved, self.note_error = resume, None

    def is_due(self, now: float) -> bool:
        """Is it time to write the logs, though the pair is busy?"""
        moved_bytes = self._tally.wire_out + self._tally.wire_in - self._published_bytes
        return not self.is_published and (
            self._there is None or now - self._published_at > PUBLISH_EVERY_S or moved_bytes > PUBLISH_EVERY_BYTES
        )

    def publish(self, now: float) -> bool:
        """Start writing both logs, behind whatever is under way. Tell whether it was started."""
        if self._writing is not None or self.is_published or now < self._not_before:
            return False
        session = Session(self._session_id, _now_text(), self.since, self._tally.docs_written)
        log = self._log.record(session)
        body = build_log_doc(log)
        source, target = self._peers
        self._writing = (source.put_local(self._id, body), target.put_local(self._id, body), log, self.since)
        return True

    def reap(self, now: float) -> bool:
        """Take the answers if both have come. Tell whether they have."""
        if self._writing is None or not (self._writing[0].done and self._writing[1].done):
            return False
        source, target, log, since = self._writing
        self._writing = None
        try:
            target.result()
            self._there = (self._session_id, since)
            self._log = log
            self.last_error = None
            self._save(clean=False)
            source.result()
        except LinkError:
            return True  # written again on the next connection
        except StoreError as exc:
            # A side that lets us read and not write logs: ours must do, do not ask all the time.
            self.last_error = exc
            self._not_before = now + RETRY_S
        self._published_at = now
        self._published_bytes = self._tally.wire_out + self._tally.wire_in
        return True
