"""Several processes that check one database, each its share of the feed; the caller adds up what they found.

    feed ── a thousand rows ──► process 1 ──► Found ──┐
         ── a thousand rows ──► process 2 ──► Found ──┴──► in the order of the feed

A process opens the store by itself and gets certificates and CRLs once. Shares wait until a process is free, twice as
many as there are processes and no more, so memory does not grow with the database. Processes are spawned, never forked:
a fork would copy open SQLite connections and threads that hold locks.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from replication.store import ChangeRow
from server.engine import open_engine
from server.errors import NotReady
from server.home import Engine, Home
from server.verify.documents import DocumentCheck, Found
from server.verify.proofs import Known, Proofs

_SHARES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Task:
    """Which database of the home at `path` on `engine`, and the certificates and CRLs that were proven there."""

    path: Path
    engine: Engine
    database: str
    known: Known


def check_in_processes(task: Task, shares: Iterable[Sequence[ChangeRow]], processes: int) -> Iterator[Found]:
    """Yield what each share of rows brought, in order. Raises `NotReady` if a process died."""
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[Found]] = deque()
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(task,))
    try:
        for rows in shares:
            waiting.append(pool.submit(_work, rows))
            if len(waiting) >= processes * _SHARES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as exc:
        raise NotReady(
            f"a process that verified {task.database} died; try again with more memory free, or: --processes 1"
        ) from exc
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What one process keeps between shares."""

    def __init__(self, task: Task) -> None:
        store = open_engine(Home.open(task.path), task.engine)  # closed with the process
        self._database = store.open(task.database)
        self._proofs = Proofs.of(task.known)

    def check(self, rows: Sequence[ChangeRow]) -> Found:
        found = Found()
        DocumentCheck(self._database, self._proofs, found).run(rows)
        return found


_workers: list[_Worker] = []  # one, in a spawned process; none in the caller's


def _begin(task: Task) -> None:
    _workers.append(_Worker(task))


def _work(rows: Sequence[ChangeRow]) -> Found:
    return _workers[0].check(rows)
