"""What a replication did and how it stands, in numbers and in words for the people who watch it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from replication.peers import Refusal
from replication.replicator.batching import Rate

# Enough to see what is wrong; a database of nothing but refused documents must not fill memory.
MAX_REFUSALS_KEPT = 1000


class JobState(StrEnum):
    """What a pair is doing.

    starting   finding out how far both sides got
    sending    data is under way
    idle       nothing left to do
    held       the gate is closed: hours, a budget, a person
    waiting    the peer asked for patience, or a fault is retried later
    cut        the link is down, another try will follow
    done       ended, everything is over there
    """

    STARTING = "starting"
    SENDING = "sending"
    IDLE = "idle"
    HELD = "held"
    WAITING = "waiting"
    CUT = "cut"
    DONE = "done"


@dataclass(slots=True)
class Tally:
    """Counts of one pair, growing while it runs.

    `docs` counts the documents seen in the feed, `docs_written` revisions acknowledged as durable, `resent_docs`
    revisions sent more than once, `wire_out` and `wire_in` the bytes of data requests and answers that arrived.
    `last_success` is the Unix time of the last acknowledgement, None before the first.
    """

    docs: int = 0
    docs_written: int = 0
    resent_docs: int = 0
    checked: int = 0
    missing: int = 0
    refused: int = 0
    wire_out: int = 0
    wire_in: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    last_success: float | None = None

    def written(self) -> None:
        """Count a revision whose acknowledgement has just come."""
        self.docs_written += 1
        self.last_success = time.time()

    def arrived(self, wire_bytes: int) -> None:
        """Count a revision that is there, though the answer that said so was lost."""
        self.docs_written += 1
        self.wire_out += wire_bytes

    def refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        if len(self.refusals) < MAX_REFUSALS_KEPT:
            self.refusals.append(refusal)


@dataclass(frozen=True, slots=True)
class Progress:
    """How one pair stands. `rate_bps` is the measured acknowledged rate in bit/s, 0 before the first answer;
    `queued_docs` counts documents known and not yet over there; `last_success` is a Unix time, None for never.

    `queued_bytes` estimates what those will take on the line, None before a document has been seen; `eta_s` the
    seconds until they are over there at the measured rate, None while nothing moves. `held_s` is how long the gate
    stays closed before it is asked again, `inf` until woken, None when it is open."""

    label: str
    state: JobState
    queued_docs: int
    docs_written: int
    refused: int
    bytes_out: int
    bytes_in: int
    rate_bps: int
    last_success: float | None
    last_error: str | None
    queued_bytes: int | None = None
    eta_s: float | None = None
    held_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The account of a whole run. Bytes are those on the sockets, requests include the small ones."""

    docs: int
    docs_written: int
    bytes_out: int
    bytes_in: int
    requests: int
    resent_docs: int
    cuts: int
    seconds: float
    refused: int = 0
    refusals: tuple[Refusal, ...] = ()


def build_progress(
    label: str,
    state: JobState,
    tally: Tally,
    *,
    queued_docs: int,
    queued_bytes: int | None,
    rate: Rate | None,
    last_error: str | None,
    held_s: float | None,
) -> Progress:
    """Return the progress of a pair; `rate` is its line's in the direction of the documents, None without a line."""
    return Progress(
        label=label,
        state=state,
        queued_docs=queued_docs,
        docs_written=tally.docs_written,
        refused=tally.refused,
        bytes_out=tally.wire_out,
        bytes_in=tally.wire_in,
        rate_bps=int(rate.value * 8) if rate is not None and rate.measured else 0,
        last_success=tally.last_success,
        last_error=last_error,
        queued_bytes=queued_bytes,
        eta_s=_time_left(state, queued_bytes, rate),
        held_s=held_s,
    )


def _time_left(state: JobState, size: int | None, rate: Rate | None) -> float | None:
    if size == 0:
        return 0.0
    moving = state in (JobState.STARTING, JobState.SENDING) and rate is not None and rate.measured
    return size / rate.value if moving and size is not None and rate is not None else None
