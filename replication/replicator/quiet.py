"""The notes a link takes of its servers when all is quiet, and what they spare the next run (see `vouching`)."""

from __future__ import annotations

from collections.abc import Sequence

from replication.document import Seq
from replication.peers import Endpoint
from replication.replicator.job import Job
from replication.replicator.vouching import Vouching


class Quiet:
    """One note for each server behind `jobs`."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._vouchings: dict[int, tuple[Endpoint, Vouching]] = {}
        for job in jobs:
            for endpoint in job.endpoints:
                if id(endpoint) not in self._vouchings:
                    self._vouchings[id(endpoint)] = endpoint, Vouching(endpoint, job.pair.state)
        self._noted_activity: int | None = None
        self._noting: dict[str, Seq] | None = None  # how far each pair had got when notes were begun
        self._unnoted: list[Vouching] = []  # whose answer is due

    @property
    def is_noted(self) -> bool:
        """Is there nothing that a new note would say?"""
        return self._noted_activity == self._activity()

    def _activity(self) -> int:
        return sum(job.activity for job in self._jobs)

    def may_open(self, job: Job) -> bool:
        """Have the servers of this pair said what they vouch for?"""
        return all(self._vouchings[id(endpoint)][1].is_open for endpoint in job.endpoints)

    def open(self) -> bool:
        """Ask each server once about all its databases. Tell whether something was asked or answered."""
        for endpoint, vouching in self._vouchings.values():
            if not vouching.is_open and vouching.turn():
                if vouching.is_open:
                    self._vouch(endpoint, vouching)
                return True
        return False

    def _vouch(self, endpoint: Endpoint, vouching: Vouching) -> None:
        jobs = [job for job in self._jobs if endpoint in job.endpoints]
        for job in jobs:
            job.vouch(vouching.seq(_far(job, endpoint)), vouching.reached(job.pair.label))
        if jobs and all(vouching.seq(_far(job, endpoint)) is not None for job in jobs):
            self._noted_activity = 0  # the note we have is as good as a new one

    def take_note(self) -> bool:
        """With all quiet, note how far the servers' databases are. Tell whether something was asked or noted."""
        if self.is_noted or not all(job.is_settled for job in self._jobs):
            return False
        reached = {job.pair.label: job.reached for job in self._jobs}
        if reached != self._noting:
            self._noting, self._unnoted = reached, [vouching for _endpoint, vouching in self._vouchings.values()]
        # Each is asked, none waits for another, and who has answered is not asked again for the sake of a slower one.
        self._unnoted = [vouching for vouching in self._unnoted if not vouching.close(reached)]
        if self._unnoted:
            return False
        self._noted_activity, self._noting = self._activity(), None
        return True

    def cut(self) -> None:
        """The connections are lost: what was asked is asked again."""
        self._noting = None
        for _endpoint, vouching in self._vouchings.values():
            vouching.restart()
        if all(job.is_settled for job in self._jobs):
            self._noted_activity = self._activity()  # all is over there; the note is not worth another connection


def _far(job: Job, endpoint: Endpoint) -> str:
    return (job.pair.source if job.pair.source.endpoint is endpoint else job.pair.target).name
