"""What the replicator asks of either side: a database in this process, or one behind the CouchDB protocol."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from replication.document import Doc, DocId, Rev, Seq
from replication.peers.bodies import Body
from replication.peers.endpoint import Endpoint
from replication.peers.pending import Pending
from replication.store import ChangesPage, GetRequest, MissingRev, RevsDiff
from replication.wire import render_document

JsonObject = dict[str, Any]

# A row of a feed read with `seq_interval` may carry no seq of its own; only the page's last one is certain then.
NO_SEQ = Seq("")


@dataclass(frozen=True)
class Outgoing:
    """A revision on its way, encoded once however often it is sent.

    `json` holds gzipped attachments as they are stored, which only servers that say `ENCODED_FEATURE` can read.
    """

    doc: Doc

    @cached_property
    def json(self) -> bytes:
        # `_rev` alone says the history of a first generation, to CouchDB as well.
        return render_document(self.doc, revs=self.doc.generation > 1, data=True, encoded=True)

    @cached_property
    def size(self) -> int:
        """Bytes before compression; a local target never needs the JSON, so this only estimates it."""
        data = sum(len(att.data) for att in self.doc.attachments.values() if att.data is not None)
        return 200 + len(self.doc.body) + 34 * len(self.doc.path) + data * 4 // 3

    @property
    def has_stubs(self) -> bool:
        return any(att.data is None for att in self.doc.attachments.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """A revision the target would not store. `error` is CouchDB's word; `transient` means: try again later."""

    id: DocId
    rev: Rev | None
    error: str
    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What `GET /db` tells a replicator. `doc_count` includes tombstones: 0 means nothing can be known there. `born` is
    CouchDB's `instance_start_time`, when the database was made; "" where it is not told."""

    doc_count: int
    update_seq: Seq
    born: str = ""


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """The refusals among a batch (the rest is stored, durably) and the bytes its request took on the wire, on all
    connections together; `earlier_bytes` of them on those before the last."""

    refusals: tuple[Refusal, ...] = field(default=())
    wire_bytes: int = 0
    earlier_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """A stretch of the feed, with those documents that came along, and the bytes it took on the wire.

    `torn`: the line broke in the middle; what is here is whole, and the feed goes on after `page.last_seq`.
    """

    page: ChangesPage
    docs: Mapping[tuple[DocId, Rev], Doc] = field(default_factory=dict)
    wire_bytes: int = 0
    torn: bool = False


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """What a `bulk_get` brought, one list per request in its order, and the bytes the answer took on the wire.

    Where the line broke in the middle there are fewer lists than requests: the rest is to be asked for again.
    """

    rows: list[list[Doc | MissingRev]]
    wire_bytes: int = 0


class Peer(Protocol):
    """One database of one side. Calls answer `Pending`s; with an `endpoint`, pump it until they are done.

    `result()` raises the `StoreError` the peer answered with, `NotAPeer` for a stranger, `LinkCut` when the
    connection went before the answer. Rows of documents that were never asked for are the peer's fault: `NotAPeer`.
    """

    @property
    def label(self) -> str:
        """Where this is, for people; never with a password."""

    @property
    def name(self) -> str:
        """The database's name; part of the replication id."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The server behind this peer; None when it is in this process and answers at once."""

    def identity(self) -> Pending[str]:
        """The uuid of the store, which changes when it is restored or cloned."""

    def summary(self) -> Pending[Summary]:
        """Counts of the database. `NotFound` when there is none."""

    def create(self) -> Pending[None]:
        """Make the database. `DatabaseExists` when somebody else just did."""

    def feed(self, since: Seq, limit: int, *, docs: bool) -> Pending[FeedAnswer]:
        """The feed after `since`, all leaves of each document; rows may carry `NO_SEQ`.

        With `docs`, documents of one leaf and one generation come along with all their attachments, where that
        saves a round trip."""

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> Pending[dict[DocId, RevsDiff]]:
        """What the peer lacks of `wanted`."""

    def bulk_get(self, requests: Sequence[GetRequest]) -> Pending[ReadAnswer]:
        """The revisions asked for, or newer leaves, with attachments; with `atts_since` older ones as stubs."""

    def bulk_docs(self, docs: Sequence[Outgoing], body: Body | None = None) -> Pending[WriteAnswer]:
        """Store revisions as they are (`new_edits=false`). Done means durable, but for the refusals named.

        `result()` raises `Torn` where a cut has torn a request that may go on: its `body`, given here with the same
        documents, is sent on from where the server has it."""

    def get_local(self, local_id: str) -> Pending[JsonObject | None]:
        """A `_local` document, None when there is none."""

    def put_local(self, local_id: str, body: JsonObject) -> Pending[None]:
        """Replace a `_local` document."""

    def wait_for_change(self, since: Seq, timeout_s: float, stop: threading.Event) -> bool:
        """Block until the feed has something after `since` (True), or for about `timeout_s` (False).

        Called from a thread of its own. Returns False within a second of `stop`. Raises `LinkError`, `StoreError`.
        """
