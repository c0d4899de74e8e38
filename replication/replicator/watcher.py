"""Waiting for news of sources that have been read to their end, so that the run need not ask.

A source in this process has a thread of its own. All sources behind one server of ours share one thread and one
connection, on which `/_tram/seqs` is asked to wait; behind a plain CouchDB each has a longpoll of its own.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from replication.errors import LinkCut, NotFound, ReplicationError
from replication.peers import Endpoint
from replication.peers.endpoint import SYNC_FEATURE
from replication.peers.listing import Listing, ask_listing
from replication.replicator.backoff import Backoff
from replication.replicator.job import Job

WAIT_S = 50.0
GRACE_S = 20.0
POLL_S = 0.5
# News that is announced and not in the feed: a page may have been on its way, so it is looked for twice, then let be.
LOOKS = 2


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


class ServerWatcher(threading.Thread):
    """Pokes those of the jobs whose source, behind one server, has moved, and notices a new life of the server.

    Where nothing is pulled from there, it is only asked while all is quiet: otherwise acknowledgements say as much."""

    def __init__(
        self, endpoint: Endpoint, jobs: Sequence[Job], wake: Callable[[], None], stop: threading.Event
    ) -> None:
        super().__init__(name=f"watch {endpoint.label}", daemon=True)
        self._endpoint = endpoint
        self._jobs = jobs
        self._pulls = [job for job in jobs if job.pair.source.endpoint is endpoint]
        self._wake = wake
        self._stopping = stop
        self._backoff = Backoff(random.random)
        self._mark: str | None = None

    def run(self) -> None:
        while not self._stopping.is_set() and not self._may_ask():
            self._stopping.wait(POLL_S)
        if SYNC_FEATURE in self._endpoint.features and self._share():
            return
        watchers = [Watcher(job, self._wake, self._stopping) for job in self._pulls]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()

    def _may_ask(self) -> bool:
        if self._pulls:
            return any(job.is_waiting_for_news for job in self._pulls)
        return all(job.is_settled for job in self._jobs)

    def _share(self) -> bool:
        """Watch all at once until told to stop. False where the server turns out not to offer that."""
        line = self._endpoint.sibling(stall_s=WAIT_S + GRACE_S)
        try:
            while not self._stopping.is_set():
                if not self._pulls and not self._may_ask():
                    self._stopping.wait(POLL_S)
                    continue
                try:
                    self._ask(line)
                    self._backoff.reset()
                except NotFound:
                    return False
                except ReplicationError:
                    line.close()
                    self._stopping.wait(self._backoff.next_s())
        finally:
            line.close()
        return True

    def _ask(self, line: Endpoint) -> None:
        is_new = line.connect()
        # Behind a new connection may be another life whose seqs are those of the mark: it must say so, not wait.
        asked = ask_listing(line, self._mark, wait_s=0 if is_new else int(WAIT_S))
        until = time.monotonic() + WAIT_S + GRACE_S
        while not asked.done and not self._stopping.is_set():
            if time.monotonic() > until:
                raise LinkCut("no answer came to a question that was to wait")
            line.pump(POLL_S)
        if not asked.done:
            return
        listing = asked.result()
        if self._endpoint.life.is_over:
            self._wake()
        if listing is not None:
            self._mark = listing.mark
            self._tell(listing)

    def _tell(self, listing: Listing) -> None:
        """Poke each job that is behind, again if what it then reads does not bring it there."""
        behind = [job for job in self._pulls if self._is_behind(job, listing)]
        for _ in range(LOOKS):
            for job in behind:
                job.poke()
            if not behind:
                return
            self._wake()
            while not self._stopping.is_set() and not all(job.is_waiting_for_news for job in behind):
                self._stopping.wait(POLL_S)
            behind = [job for job in behind if self._is_behind(job, listing)]

    def _is_behind(self, job: Job, listing: Listing) -> bool:
        seq = listing.seqs.get(job.pair.source.name)
        return seq is not None and seq != job.feed_seq
