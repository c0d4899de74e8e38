"""Result papers of a node: each PDF checked once it is here whole, the verdict kept, found again by the file's hash.

A verdict can be computed again from the file, so it is this node's own and does not replicate. It rests on the trusted
roots and the day: what was not plainly valid is looked at again after a day, or when the roots change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson
from cryptography.hazmat.primitives.serialization import Encoding

from server.clocks.clock import NodeClock
from server.dossier.event import FileRef
from server.errands import Errand, for_each
from server.errors import Missing, ServerError
from server.filestore import FileStore
from server.home import Home
from server.nodedb import NodeDb
from server.papers.checking import check_pdf
from server.papers.verdict import PaperVerdict, parse_verdict
from server.readmodel.model import ReadModel

AGAIN_AFTER = timedelta(days=1)
PDF = "application/pdf"

SCHEMA = """
CREATE TABLE IF NOT EXISTS papers (
    sha256 TEXT PRIMARY KEY, roots BLOB NOT NULL, checked TEXT NOT NULL, verdict BLOB NOT NULL) WITHOUT ROWID;
"""


class Papers:
    """The result papers of one node. Safe from several threads; one PDF is checked at a time."""

    def __init__(self, *, home: Home, db: NodeDb, files: FileStore, model: ReadModel, clock: NodeClock) -> None:
        self._home = home
        self._db = db
        self._files = files
        self._model = model
        self._clock = clock
        self._one = threading.Lock()
        self.errand = Errand("papers", self._look, expected=(ServerError,))
        db.ensure(SCHEMA)

    def notice(self, streams: set[str]) -> None:
        """Say that dossiers changed (a `Listener` of the follower)."""
        self.errand.notice(*streams)

    def known(self, file_sha256: str) -> PaperVerdict | None:
        """Return the verdict on a file that was checked, None while it was not."""
        row = self._db.row("SELECT verdict FROM papers WHERE sha256 = ?", (file_sha256,))
        return parse_verdict(orjson.loads(row[0])) if row else None

    def forget(self, files: Iterable[str]) -> None:
        """Forget the verdicts on files (by their hashes) that were erased: they name who signed."""
        with self._db.transaction() as connection:
            connection.executemany("DELETE FROM papers WHERE sha256 = ?", [(each,) for each in files])

    def of(self, refs: Iterable[FileRef]) -> dict[str, PaperVerdict]:
        """Return the verdicts that are known on the PDFs among some files, by the file's hash."""
        found = {ref.sha256: self.known(ref.sha256) for ref in refs if ref.type == PDF}
        return {name: verdict for name, verdict in found.items() if verdict is not None}

    def check(self, unit: str, manifest_id: str) -> PaperVerdict:
        """Return the verdict on the PDF behind a manifest, checking it now unless that was done. Raises `Missing` while
        bytes of it are not here."""
        presence = self._files.presence(unit, manifest_id)
        if presence.manifest is None or presence.missing:
            raise Missing("this file has not arrived here whole yet")
        with self._one:
            roots = self._roots()
            mark = sha256(b"".join(sorted(roots))).digest()
            known = self._current(presence.manifest.sha256, mark)
            if known is not None:
                return known
            pdf = b"".join(self._files.read(unit, presence.manifest))
            verdict = check_pdf(pdf, roots=roots, others=self._others(), at=self._clock.now())
            self._keep(presence.manifest.sha256, mark, verdict)
            return verdict

    def consider(self, stream: str) -> None:
        """Check the result papers of a dossier that are here and were not checked."""
        if self._model.queries.dossier(stream) is None:
            return
        dossier = self._model.story(stream).dossier
        for file in dossier.files:
            if file.kind == "result" and file.ref.type == PDF:
                try:
                    self.check(dossier.unit, file.ref.manifest)
                except Missing:
                    continue  # its last chunk changes the dossier's line, and brings us here again

    def _roots(self) -> list[bytes]:
        return [each.public_bytes(Encoding.DER) for each in (*self._home.anchors(), *self._home.paper_anchors())]

    def _others(self) -> list[bytes]:
        return [each.public_bytes(Encoding.DER) for each in self._home.chain()]

    def _current(self, file_sha256: str, mark: bytes) -> PaperVerdict | None:
        row = self._db.row("SELECT roots, checked, verdict FROM papers WHERE sha256 = ?", (file_sha256,))
        if row is None or row["roots"] != mark:
            return None
        verdict = parse_verdict(orjson.loads(row["verdict"]))
        old = self._clock.now() - datetime.fromisoformat(row["checked"]) > AGAIN_AFTER
        return None if old and verdict.status in ("indeterminate", "unchecked") else verdict

    def _keep(self, file_sha256: str, mark: bytes, verdict: PaperVerdict) -> None:
        checked = self._clock.now().astimezone(UTC).isoformat(timespec="seconds")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO papers VALUES (?, ?, ?, ?)",
                (file_sha256, mark, checked, orjson.dumps(verdict.value())),
            )

    def _look(self, told: Sequence[str]) -> None:
        for_each(told, self.consider)
