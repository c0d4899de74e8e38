"""What a run tells those who watch it, in its own thread: how pairs stand, what was refused, what has travelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from replication.peers import Refusal
from replication.replicator.figures import Progress
from replication.replicator.gate import Gate
from replication.replicator.job import Job
from replication.replicator.pair import Pair

PROGRESS_EVERY_S = 0.5

# Told each refused revision once, with the pair it was to go through, in the thread of the run: there it may be kept.
RefusalCallback = Callable[[Pair, Refusal], None]
ProgressCallback = Callable[[list[Progress]], None]


class Telling:
    """`progress` is how each pair stood a moment ago, in the order of `jobs`; any thread may read it."""

    def __init__(
        self,
        jobs: Sequence[Job],
        on_progress: ProgressCallback | None,
        on_refusal: RefusalCallback | None,
        gate: Gate | None,
    ) -> None:
        self._jobs = jobs
        self._on_progress = on_progress
        self._on_refusal = on_refusal
        self._gate = gate
        self._told_at = 0.0
        self._refusals_told = [0] * len(jobs)
        self._told_traffic = [(0, 0)] * len(jobs)
        self.progress = [job.progress(time.monotonic()) for job in jobs]

    def tell(self, *, force: bool = False) -> None:
        """Tell what was refused and how it stands, twice a second at most unless `force` is set."""
        now = time.monotonic()
        if not force and now - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = now
        self._tell_refusals()
        self.progress = [job.progress(now) for job in self._jobs]
        if self._on_progress is not None:
            self._on_progress(self.progress)

    def _tell_refusals(self) -> None:
        """Hand on what was refused since the last time."""
        for index, job in enumerate(self._jobs):
            told, refusals = self._refusals_told[index], job.tally.refusals
            self._refusals_told[index] = len(refusals)
            if self._on_refusal is not None:
                for refusal in refusals[told:]:
                    self._on_refusal(job.pair, refusal)

    def tell_gate(self) -> None:
        """Tell the gate what has travelled since the last time."""
        if self._gate is None:
            return
        for index, job in enumerate(self._jobs):
            out, into = job.traffic.bytes_out, job.traffic.bytes_in
            told_out, told_in = self._told_traffic[index]
            if (out, into) != (told_out, told_in):
                self._told_traffic[index] = out, into
                self._gate.carried(job.pair, out - told_out, into - told_in)
