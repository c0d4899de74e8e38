"""Looking again at what was taken while a revocation list was stale.

An event that came then is valid with the word `crl_stale`: nobody here could say that its signer had not been revoked.
A list that vouches for that moment takes the word away. What a list *revokes* the read model judges again itself, in
the same transaction as the list (`server.readmodel.eventpages`).
"""

from __future__ import annotations

from crypto.errors import CryptoError
from replication.store import Store
from server.errors import Refused
from server.intake.verdict import Admissions, Verdict
from server.pki.directory import Directory
from server.readmodel.documents import read_events

AT_ONCE = 500


class Rejudging:
    """The verdicts of one node, looked at again."""

    def __init__(self, store: Store, directory: Directory, admissions: Admissions) -> None:
        self._store = store
        self._directory = directory
        self._admissions = admissions

    def clear_stale(self, database: str) -> int:
        """Judge every `crl_stale` event of a database by the lists that are here now. Returns how many changed."""
        changed, last = 0, ""
        while found := self._admissions.with_reason(database, "crl_stale", last, AT_ONCE):
            admitted, last = dict(found), found[-1][0]
            for held in read_events(self._store.open(database), list(admitted)):
                try:
                    signer = self._directory.verify(database, held.fingerprint, admitted[held.doc_id])
                except (CryptoError, Refused):
                    continue  # revoked: the read model has judged it by the same list
                if signer.freshness(admitted[held.doc_id]) != "stale":
                    self._admissions.revise(database, [(held.doc_id, Verdict("valid"))])
                    changed += 1
        return changed
