"""Attachments that are kept gzipped, to and from plain CouchDB peers, byte for byte.

CouchDB's JSON carries attachments decoded. Most encoded ones can be made again from that (`replication.attached`);
the others, which somebody uploaded with a gzip of his own, travel as CouchDB's own replicator sends them: one
document as multipart/related. Servers of ours say `ENCODED_FEATURE` and put the stored bytes into the JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from replication.attached import is_recoded
from replication.document import Doc
from replication.errors import Forbidden, LinkError, NotAPeer, NotFound, StoreError, Unauthorized
from replication.multipart import build_boundary, build_related
from replication.peers.answers import parse_json
from replication.peers.channel import Exchange
from replication.peers.peer import ReadAnswer, Refusal, WriteAnswer
from replication.peers.pending import Done, Pending
from replication.related import parse_related
from replication.store import MissingRev
from replication.wire import render_document

MULTIPART = "multipart/related"


def has_encoded(doc: Doc) -> bool:
    """Return whether the document brings bytes that are kept encoded."""
    return any(entry.encoding is not None and entry.data is not None for entry in doc.attachments.values())


def is_inexact(doc: Doc) -> bool:
    """Return whether its sender keeps attachments of this document in other bytes than came."""
    return any(map(is_recoded, doc.attachments.values()))


def build_put(doc: Doc) -> tuple[dict[str, str], bytes]:
    """Return headers and body of `PUT /db/doc?new_edits=false` with the attachments as they are stored."""
    boundary = build_boundary()
    text = render_document(doc, revs=True, follows=True, encoding_info=True)
    body = b"".join(build_related(text, doc.attachments, boundary))
    return {"Content-Type": f'{MULTIPART}; boundary="{boundary.decode("ascii")}"'}, body


def parse_put(doc: Doc, exchange: Exchange) -> WriteAnswer:
    """Return what became of that document. Raises what spoils a batch; a refusal of this document is no error."""
    try:
        parse_json(exchange.answer)
    except (Forbidden, Unauthorized) as error:
        refusal = Refusal(doc.id, doc.rev, error.error, error.reason)
        return WriteAnswer((refusal,), exchange.request_bytes)
    return WriteAnswer((), exchange.request_bytes)


def parse_whole(doc: Doc, exchange: Exchange) -> Doc:
    """Return `doc` with its attachments as the peer stores them, from the answer to a `GET` of that revision."""
    answer = exchange.answer
    content_type = answer.headers.get("content-type", "")
    if answer.status != 200 or not content_type.startswith(MULTIPART):
        parse_json(answer)
        raise NotAPeer("the answer was to be multipart/related, a document with its attachments")
    whole = parse_related(content_type, (answer.body,), new_edits=False, max_part=len(answer.body))
    if (whole.id, whole.rev) != (doc.id, doc.rev):
        raise NotAPeer("the answer is another document than was asked for")
    return replace(doc, attachments=whole.attachments)


class Joined:
    """The answers to several writes as one."""

    def __init__(self, writes: Sequence[Pending[WriteAnswer]]) -> None:
        self._writes = writes

    @property
    def done(self) -> bool:
        return all(write.done for write in self._writes)

    def result(self) -> WriteAnswer:
        answers = [write.result() for write in self._writes]
        refusals = tuple(refusal for answer in answers for refusal in answer.refusals)
        return WriteAnswer(refusals, sum(answer.wire_bytes for answer in answers))


class Completed:
    """A read whose inexact documents are asked for again, each by itself, with `fetch`."""

    def __init__(self, read: Pending[ReadAnswer], fetch: Callable[[Doc], Pending[Doc]]) -> None:
        self._read = read
        self._fetch = fetch
        self._answer: ReadAnswer | None = None
        self._wholes: dict[int, Pending[Doc]] = {}

    @property
    def done(self) -> bool:
        if self._answer is None:
            if not self._read.done:
                return False
            begun = Done(lambda: self._begin(self._read.result()), (StoreError, LinkError))
            if self._answer is None:  # `result` raises what went wrong, to whoever asks
                return begun.done
        return all(whole.done for whole in self._wholes.values())

    def _begin(self, answer: ReadAnswer) -> None:
        docs = [doc for row in answer.rows for doc in row if isinstance(doc, Doc) and is_inexact(doc)]
        self._wholes = {id(doc): self._fetch(doc) for doc in docs}
        self._answer = answer

    def result(self) -> ReadAnswer:
        if self._answer is None:
            return self._read.result()
        rows = [[self._complete(doc) for doc in row] for row in self._answer.rows]
        return ReadAnswer(rows, self._answer.wire_bytes)

    def _complete(self, doc: Doc | MissingRev) -> Doc | MissingRev:
        whole = self._wholes.get(id(doc))
        if whole is None:
            return doc
        try:
            return whole.result()
        except NotFound as error:  # edited and compacted, or purged, since
            assert isinstance(doc, Doc)
            return MissingRev(doc.id, doc.rev, error.reason)
