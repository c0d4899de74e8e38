"""A crowd before a server with little memory: it asks most of them to come again, and all of them are through."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from replication.document import Attachment, Doc, DocId, Rev
from replication.http import Limits, OpenAccess, create_app
from replication.peers import Endpoint, EndpointOptions, HttpPeer, LocalPeer
from replication.replicator import Figures, JobState, Link, MemoryState, Pair, Progress
from replication.serving import Server
from replication.sqlite import SqliteStore
from replication.store import Database

CLIENTS = 100
TURNED_AWAY = 10
DOCS = 2
SCAN = 96 * 1024  # 128 KiB of base64; four times that is what the server counts for it
# Room for four such batches at once.
TIGHT = Limits(shared_memory=2 * 1024 * 1024, shared_wait_s=0.1)
# Answers are held back here, on a busy machine for longer than a line that is known may be silent.
PATIENT = EndpointOptions(stall_s=120.0, least_stall_s=120.0)
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Statuses:
    """A WSGI application that counts how another answers, and whether a 503 says when to come again.

    A batch that was stored keeps its answer, and with it its memory, until `TURNED_AWAY` others were asked to come
    again: on a fast disk no two would ever meet.
    """

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._told = threading.Condition()
        self.counts: Counter[str] = Counter()
        self.mute: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            with self._told:
                self.counts[status[:3]] += 1
                self._told.notify_all()
                if status.startswith("201") and environ["PATH_INFO"].endswith("/_bulk_docs"):
                    self._told.wait_for(lambda: self.counts["503"] >= TURNED_AWAY, 60)
            if status.startswith("503") and "retry-after" not in {name.lower() for name, _ in headers}:
                self.mute.append(environ["PATH_INFO"])
            return start_response(status, headers, *rest)

        return self._app(environ, start)


@pytest.fixture
def tight(far_store: SqliteStore) -> Iterator[tuple[str, Statuses]]:
    """A server with memory for four batches, and how it has answered."""
    statuses = Statuses(create_app(OpenAccess(far_store), limits=TIGHT))
    with Server(statuses, host="127.0.0.1", port=0) as server:
        yield server.url.rstrip("/"), statuses


def scan(number: int) -> Doc:
    data = hashlib.shake_256(str(number).encode()).digest(SCAN)
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Doc(
        DocId(f"scan-{number}"),
        Rev(f"1-{digest}"),
        (digest,),
        body=b"{}",
        attachments={"scan": Attachment("image/jpeg", data=data)},
    )


@pytest.mark.slow
def test_a_hundred_clients_of_a_server_short_of_memory_are_all_through(
    near: Database, near_peer: LocalPeer, far_store: SqliteStore, tight: tuple[str, Statuses]
) -> None:
    """503 with Retry-After is heeded as a wait, not as a cut or a fault of the document; nothing is refused or lost."""
    url, statuses = tight
    near.bulk_docs([scan(number) for number in range(DOCS)], new_edits=False)
    start = threading.Barrier(CLIENTS)
    done: dict[int, Figures] = {}
    waited: set[int] = set()

    def bring(number: int) -> None:
        def watch(progress: list[Progress]) -> None:
            if progress[0].state is JobState.WAITING:
                waited.add(number)

        pair = Pair(near_peer, HttpPeer(Endpoint(url, options=PATIENT), f"commune-{number}"), MemoryState())
        link = Link([pair], on_progress=watch)
        start.wait()
        done[number] = link.run(threading.Event())

    threads = [threading.Thread(target=bring, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)

    print(statuses.counts, f"longest {max(figures.seconds for figures in done.values())} s, {len(waited)} waited")
    assert sorted(done) == list(range(CLIENTS))
    assert {(figures.docs_written, figures.refused, figures.cuts) for figures in done.values()} == {(DOCS, 0, 0)}
    assert all(far_store.open(f"commune-{number}").info().doc_count == DOCS for number in range(CLIENTS))
    assert statuses.counts["503"] >= TURNED_AWAY
    assert statuses.mute == []
    assert waited
