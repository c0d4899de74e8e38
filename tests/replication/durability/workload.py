"""Random work on a store, with a note of what it answered."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import Conflict
from replication.sqlite import SqliteDatabase, SqliteStore
from tests.replication.durability.states import DatabaseState, StoreState, read_database, read_store

NAMES = ("u-h41-12-03", "f-h41-12-03", "a/b")
IDS = [f"doc-{number:02d}" for number in range(24)]
LOCAL_IDS = ["checkpoint-1", "checkpoint-2"]
Sent = tuple[bytes, bool, dict[str, bytes]]


@dataclass
class History:
    """What a store said: its state after each call (the first before any), and what was ever sent to it."""

    states: list[StoreState]
    calls: list[str] = field(default_factory=lambda: ["begin"])
    sent: dict[tuple[str, str], Sent] = field(default_factory=dict)

    def told(self, until: int) -> list[tuple[str, Seq, DatabaseState]]:
        """Return what peers may have heard after each of the first `until` calls: database, seq, what it stood for."""
        seen = {
            (name, state.update_seq): (name, state.update_seq, state)
            for states in self.states[: until + 1]
            for name, state in states.items()
        }
        return list(seen.values())


class Workload:
    """Calls drawn from `rand`; `acknowledge` hears the number of each as soon as it has returned."""

    def __init__(
        self, directory: Path, rand: random.Random, history: History | None, acknowledge: Callable[[int], None]
    ) -> None:
        self._directory, self._rand, self._acknowledge = directory, rand, acknowledge
        self.store = SqliteStore(directory)
        state = read_store(self.store)
        self.history = History([state], sent=history.sent if history else {})
        self._state = state
        self._page_limit = rand.choice([10, 40, 1000])
        for name in self._state:
            self._tune(self.store.open(name))

    def run(self, calls: int) -> None:
        """Carry out that many calls, then close the store."""
        steps: list[tuple[Callable[[], str | None], int]] = [
            (self.merge, 10), (self.edit, 10), (self.put_local, 4), (self.delete_local, 1), (self.purge, 2),
            (self.compact, 2), (self.limit, 1), (self.secure, 1), (self.create, 1), (self.delete, 1), (self.reopen, 1),
        ]  # fmt: skip
        kinds, weights = zip(*steps, strict=True)
        while len(self.history.calls) <= calls:
            step = self._rand.choices(kinds, weights)[0] if self._state else self.create
            name = step()
            if name is not None:
                self._note(step.__name__, name)
        self.store.close()

    def _note(self, call: str, name: str) -> None:
        number = len(self.history.calls)
        self._acknowledge(number)
        self.history.calls.append(f"{call} {name}")
        self._state = {other: state for other, state in self._state.items() if other != name}
        if name in self.store.names():
            self._state[name] = read_database(self.store.open(name))
        self.history.states.append(self._state)

    # Documents

    def merge(self) -> str:
        name = self._pick()
        docs = [self._build_line(name, doc_id) for doc_id in self._ids()]
        self._store(name, docs, new_edits=False)
        return name

    def edit(self) -> str:
        name = self._pick()
        docs = [self._build_edit(name, doc_id) for doc_id in self._ids()]
        self._store(name, docs, new_edits=True)
        return name

    def _store(self, name: str, docs: Sequence[Doc], *, new_edits: bool) -> None:
        expected = [(doc.body, doc.deleted, {n: a.data or b"" for n, a in doc.attachments.items()}) for doc in docs]
        if not new_edits:  # their names are known before anything answers
            self.history.sent.update({(doc.id, str(doc.rev)): sent for doc, sent in zip(docs, expected, strict=True)})
        results = self.store.open(name).bulk_docs(docs, new_edits=new_edits)
        for doc, sent, result in zip(docs, expected, results, strict=True):
            if result.error is not None:
                assert isinstance(result.error, Conflict), result.error
                assert new_edits
                continue
            self.history.sent[doc.id, str(result.rev)] = sent

    def _build_line(self, name: str, doc_id: str) -> Doc:
        """Return a revision from elsewhere: on top of a leaf, beside one, or with a history nobody here knows."""
        leaves = self._state[name].leaves.get(doc_id, ())
        below: tuple[str, ...] = ()
        generation = 0
        if leaves and self._rand.random() < 0.7:
            leaf = self._rand.choice(leaves)
            start = self._rand.randint(0, min(2, len(leaf.path) - 1))
            below, generation = leaf.path[start:], int(leaf.rev.partition("-")[0]) - start
        fresh = self._rand.randint(1, 3)
        hashes = tuple(self._rand.randbytes(16).hex() for _ in range(fresh))
        rev = Rev(f"{generation + fresh}-{hashes[0]}")
        return Doc(DocId(doc_id), rev, hashes + below, self._rand.random() < 0.15, self._body(), self._files())

    def _build_edit(self, name: str, doc_id: str) -> Doc:
        leaves = self._state[name].leaves.get(doc_id, ())
        rev = None
        if leaves and not leaves[0].deleted:
            rev = Rev(self._rand.choice(leaves).rev)
        elif self._rand.random() < 0.1:
            rev = Rev("1-nobodys")
        deleted = rev is not None and self._rand.random() < 0.2
        return Doc(DocId(doc_id), rev, (), deleted, self._body(), self._files())

    def _body(self) -> bytes:
        size = self._rand.choice([0, 10, 300, 300, 9000])
        return f'{{"n":"{self._rand.randbytes(8).hex()}","pad":"{self._rand.randbytes(size).hex()}"}}'.encode()

    def _files(self) -> dict[str, Attachment]:
        if self._rand.random() < 0.75:
            return {}
        seed = self._rand.randint(0, 5)  # often the same bytes, so that blobs are shared
        data = random.Random(seed).randbytes(self._rand.choice([0, 100, 32_768]))
        return {"scan.jpg": Attachment("image/jpeg", length=len(data), data=data)}

    # Everything else

    def put_local(self) -> str:
        name = self._pick()
        self.store.open(name).put_local(self._rand.choice(LOCAL_IDS), self._body())
        return name

    def delete_local(self) -> str | None:
        name = self._pick()
        there = self._state[name].local_docs
        if not there:
            return None
        self.store.open(name).delete_local(self._rand.choice(there)[0])
        return name

    def purge(self) -> str | None:
        name = self._pick()
        leaves = self._state[name].leaves
        if not leaves:
            return None
        chosen = self._rand.sample(sorted(leaves), min(2, len(leaves)))
        self.store.open(name).purge({DocId(key): [Rev(leaves[key][0].rev)] for key in chosen})
        return name

    def compact(self) -> str:
        name = self._pick()
        self.store.open(name).compact()
        return name

    def limit(self) -> str:
        name = self._pick()
        self.store.open(name).set_revs_limit(self._rand.choice([1, 2, 5, 1000]))
        return name

    def secure(self) -> str:
        name = self._pick()
        self.store.open(name).set_security({"admins": {"names": [self._rand.randbytes(4).hex()]}})
        return name

    def create(self) -> str | None:
        absent = sorted(set(NAMES) - set(self._state))
        if not absent:
            return None
        name = self._rand.choice(absent)
        self._tune(self.store.create(name))
        return name

    def delete(self) -> str | None:
        if len(self._state) < 2:
            return None
        name = self._pick()
        self.store.delete(name)
        return name

    def reopen(self) -> str:
        """A restart without a fault: SQLite moves everything into the database files and removes the WALs."""
        name = self._pick()
        self.store.close()
        self.store = SqliteStore(self._directory)
        return name

    def _tune(self, db: SqliteDatabase) -> None:
        """Let the WAL run over early: at 1,000 pages as in service these few documents would never get there."""
        db._connections.exclusively(
            lambda conn: conn.execute(f"PRAGMA wal_autocheckpoint = {self._page_limit}").fetchall()
        )

    def _pick(self) -> str:
        return self._rand.choice(sorted(self._state))

    def _ids(self) -> list[str]:
        return self._rand.sample(IDS, self._rand.choice([1, 1, 2, 8]))
