"""One stick at a time, in a thread: what the desk starts, watches and sees the end of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from replication.bundle import MediumError
from replication.errors import ReplicationError, StorageFull
from server.bundles.exporting import Exported, OnProgress, export_bundle
from server.bundles.importing import Imported, import_bundle
from server.errors import Clash, Refused, ServerError
from server.node.assembly import Node

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobState:
    """How it stands. `done` and `total` are bytes; `total` of an export is an estimate. `error` says why it failed, to
    whoever looks after the machine, and `word` what kind of failure that was (`MediumError`, `Refused`), "" if neither.
    """

    kind: Literal["export", "import"]
    stick: Path
    unit: str = ""
    running: bool = True
    done: int = 0
    total: int = 0
    exported: Exported | None = None
    imported: Imported | None = None
    error: str = ""
    word: str = ""


class Jobs:
    """The jobs of one node: at most one runs, and the last one is remembered."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._state: JobState | None = None
        self._thread: threading.Thread | None = None

    def state(self) -> JobState | None:
        """Return how the present or the last job stands, None if there was none."""
        return self._state

    def export(self, *, to: str, stick: Path, full: bool = False) -> None:
        """Begin to write for `to`. Raises `Clash` while another job runs."""

        def work(on_progress: OnProgress) -> JobState:
            self._node.model.follower.catch_up()
            exported = export_bundle(self._node, to=to, path=stick, full=full, on_progress=on_progress)
            return replace(self._present(), exported=exported)

        self._begin(JobState("export", stick, to), work)

    def take_in(self, *, stick: Path) -> None:
        """Begin to take in what a stick holds. Raises `Clash` while another job runs."""

        def work(on_progress: OnProgress) -> JobState:
            return replace(self._present(), imported=import_bundle(self._node, stick, on_progress=on_progress))

        self._begin(JobState("import", stick), work)

    def dismiss(self) -> None:
        """Forget the last job, if it has ended: somebody has read it."""
        with self._lock:
            if self._state is not None and not self._state.running:
                self._state = None

    def wait(self) -> None:
        """Return when no job runs."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self, state: JobState, work: Callable[[OnProgress], JobState]) -> None:
        with self._lock:
            if self._state is not None and self._state.running:
                raise Clash(
                    "Đang ghi hoặc đọc một USB khác; hãy chờ xong / another stick is being written or read; wait until"
                    " it is done"
                )
            self._state = state
            self._thread = threading.Thread(target=self._run, args=(work,), name="bundle", daemon=True)
            self._thread.start()

    def _run(self, work: Callable[[OnProgress], JobState]) -> None:
        try:
            ended = work(self._progress)
        except (ServerError, ReplicationError, OSError) as exc:
            ended = replace(self._present(), error=str(exc), word=_word(exc))
        except Exception as exc:
            _LOG.exception("a bundle failed")
            ended = replace(self._present(), error=f"{exc!r}; the node's log says more")
        self._state = replace(ended, running=False)

    def _progress(self, done: int, total: int) -> None:
        self._state = replace(self._present(), done=done, total=total)

    def _present(self) -> JobState:
        assert self._state is not None  # a job runs
        return self._state


def _word(exc: Exception) -> str:
    if isinstance(exc, MediumError):
        return exc.word
    if isinstance(exc, StorageFull):
        return "storage_full"
    return exc.code if isinstance(exc, Refused) else ""
