"""The life of a node: in which order its parts begin, and in which they end.

    prepare   the databases are there and hold the certificates by which others check what this node signs
    start     the lock of the home ─► errands ─► the front ─► links
    stop      the front ─► links ─► errands, the last one first ─► files ─► the lock

What has been acknowledged is on disk before the answer goes out, so no step of `stop` has anything left to save.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.types import WSGIApplication

from server.errands import Errand
from server.intake.places import REGISTRY
from server.lock import take_lock
from server.node.parts import Parts
from server.node.servertls import ServerTls

if TYPE_CHECKING:  # brings cheroot and Flask; see `Life.start`
    from server.node.front import Front

_LOG = logging.getLogger(__name__)

OFFER_EVERY_S = 600.0  # `Intake.admit` offers again by itself; this is for what came between


class Life:
    """The life of one node's parts. Commands that only read and write leave out `start`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.errands = _errands_of(parts)
        self.front: Front | None = None
        self._lock: int | None = None

    def prepare(self) -> None:
        """See to it that the node's databases exist and hold its own certificates; done whenever a node is opened."""
        parts, now = self._parts, self._parts.clock.now()
        if parts.directory.is_empty():  # a new home, or one whose node.db was lost
            parts.directory.relearn()
        for name in (parts.database, parts.files_database, REGISTRY):
            parts.copier.ensure_database(name)
        parts.recovery.look(now)
        if added := parts.log.open(now):
            _LOG.info("%d events that were here already got their leaves in the log", added)
        parts.copier.ensure_certificate(parts.database, parts.signer.certificate)
        if parts.log.key.certificate is not None:  # the witness above needs it before the first page
            parts.copier.ensure_certificate(parts.database, parts.log.key.certificate)
        parts.links.begin_with(parts.home.settings.parent)

    def start(
        self,
        app: WSGIApplication,
        *,
        host: str,
        port: int,
        sync: bool,
        certificate: Path | None,
        key: Path | None,
        tls: ServerTls | None,
    ) -> str:
        """Serve `app`, run everything, and return the address. Parameters and errors as `Node.start` says."""
        from server.node.front import Front  # a command that serves nothing starts without HTTP server and Flask

        self._lock = take_lock(self._parts.home.path)
        for errand in self.errands:
            errand.start()
        self._parts.witness.tell()
        self.front = Front(app, host=host, port=port, certificate=certificate, key=key, tls=tls)
        address = self.front.open()
        if sync:
            self._parts.sync.start()
        return address

    def stop(self) -> None:
        """End everything that runs, whether or not `start` came to its end, and close all files."""
        if self.front is not None:
            self.front.close()
            self.front = None
        self._parts.sync.stop()
        for errand in reversed(self.errands):
            errand.stop()
        self.close()

    def close(self) -> None:
        """Close all files of a node that was not started."""
        self._parts.opened.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _errands_of(parts: Parts) -> list[Errand]:
    """Return what runs beside the requests, in the order in which it starts."""
    return [
        parts.model.follower.errand,
        Errand("quarantine", lambda _: parts.intake.offer_waiting(), every_s=OFFER_EVERY_S),
        parts.receipts.errand,
        parts.papers.errand,
        parts.erasing.errand,
        parts.crl_keeper.errand,
        parts.log_keeper.errand,
        *([parts.stamp_keeper.errand] if parts.home.settings.tsa else ()),
        parts.gossip.errand,
    ]
