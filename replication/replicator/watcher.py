"""Waiting for news of a source that has been read to its end, so that the run need not ask."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from replication.errors import ReplicationError
from replication.replicator.backoff import Backoff
from replication.replicator.job import Job

WAIT_S = 50.0
POLL_S = 0.5


class Watcher(threading.Thread):
    """Pokes the job and wakes the run when the feed moves beyond where the job has read."""

    def __init__(self, job: Job, wake: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=f"watch {job.pair.source.label}", daemon=True)
        self._job = job
        self._wake = wake
        self._stopping = stop
        self._backoff = Backoff(random.random)

    def run(self) -> None:
        while not self._stopping.is_set():
            # Until the job has read what was announced, the same news would come again and again.
            if not self._job.is_waiting_for_news:
                self._stopping.wait(POLL_S)
                continue
            self._watch()

    def _watch(self) -> None:
        try:
            if self._job.pair.source.wait_for_change(self._job.feed_seq, WAIT_S, self._stopping):
                self._job.poke()
                self._wake()
            self._backoff.reset()
        except ReplicationError:
            # The run meets the same fault on its own connection and tells it there; here it only means: no news.
            self._stopping.wait(self._backoff.next_s())
