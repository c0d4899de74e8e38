"""A database as peers see it: reading is free to whoever was let in, writing goes through the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from replication.document import Doc, DocId, Rev
from replication.errors import Forbidden
from replication.passing import PassingDatabase
from replication.store import Database, JsonObject, PurgeResult, RevsDiff, WriteResult
from server.intake.door import Intake
from server.intake.source import Source


class GuardedDatabase(PassingDatabase):
    """`replication.store.Database` whose every write is admitted by `intake` as brought by `source`."""

    def __init__(self, inner: Database, intake: Intake, source: Source) -> None:
        super().__init__(inner)
        self._intake = intake
        self._source = source

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        """Admit the documents. `new_edits` makes no difference: every revision of ours is made of its content."""
        return self._intake.admit(self.name, docs, source=self._source)

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        """What was erased here is not missing: nobody has to send it."""
        diffs = self._inner.revs_diff(wanted)
        erased = self._intake.erased(self.name, list(diffs))
        return {doc_id: diff for doc_id, diff in diffs.items() if doc_id not in erased}

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        raise Forbidden("not_immutable: nothing is ever removed from here by a peer")

    def set_revs_limit(self, limit: int) -> None:
        raise Forbidden("forbidden: peers do not change settings")

    def set_security(self, security: JsonObject) -> None:
        raise Forbidden("forbidden: peers do not change settings")
