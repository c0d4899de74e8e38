"""A database behind the CouchDB protocol as a peer. Only standard endpoints: CouchDB 3.5 and ours are served alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from replication.attached import ENCODED_FEATURE
from replication.document import Doc, DocId, Rev, Seq, parse_rev
from replication.errors import BadContentType, BadRequest, LinkCut, NotAPeer, NotFound
from replication.peers.answers import Busy, Unreadable, parse_json
from replication.peers.bodies import Body
from replication.peers.channel import Broken, Exchange
from replication.peers.encoded import (
    MULTIPART,
    Completed,
    Joined,
    build_put,
    has_encoded,
    is_inexact,
    parse_put,
    parse_whole,
)
from replication.peers.endpoint import SYNC_FEATURE, Endpoint
from replication.peers.halves import Half, Halves, Mended, parse_torn
from replication.peers.peer import NO_SEQ, FeedAnswer, JsonObject, Outgoing, ReadAnswer, Refusal, Summary, WriteAnswer
from replication.peers.pending import Done, Mapped, Pending, Promise, Rescued, T
from replication.peers.salvage import split_rows
from replication.peers.wire import Part, build_path
from replication.store import ChangeRow, ChangesPage, GetRequest, MissingRev, RevsDiff
from replication.wire import parse_document

# CouchDB cuts longer waits to 60 s; routers forget idle connections a little later.
LONGPOLL_S = 50
LONGPOLL_GRACE_S = 20.0
WAIT_SLICE_S = 0.5
EARLY_ROWS = 20  # below this a page of the feed without documents is not worth naming a dictionary
# CouchDB's seqs are 170 bytes long and it does not compress: one in four says where to go on after a cut.
SEQ_INTERVAL = 4
MANY_ROWS = 32  # fewer in a stretch means that they are large: a file chunk lost costs more than all the seqs
CONFLICT = 409
# Row errors that say something about the peer's day, not about the document.
TRANSIENT_WORDS = frozenset({"service_unavailable", "insufficient_storage", "timeout", "internal_server_error"})


class HttpPeer:
    """`database` is the name as people write it; "/" in it is fine."""

    def __init__(self, endpoint: Endpoint, database: str) -> None:
        self._endpoint = endpoint
        self._name = database
        self._path = build_path(database)
        self._halves = Halves()

    @property
    def label(self) -> str:
        return self._endpoint.label + self._path

    @property
    def name(self) -> str:
        return self._name

    @property
    def endpoint(self) -> Endpoint | None:
        return self._endpoint

    def identity(self) -> Pending[str]:
        if self._endpoint.identity is not None:
            known = self._endpoint.identity
            return Done(lambda: known, ())
        return self._call("GET", "/", self._parse_identity)

    def _parse_identity(self, value: Any) -> str:
        if not isinstance(value, dict) or "couchdb" not in value:
            raise NotAPeer(f"{self._endpoint.label} does not greet as a CouchDB peer")
        features = value.get("features")
        if isinstance(features, list):
            self._endpoint.learn_features(frozenset(entry for entry in features if isinstance(entry, str)))
        # CouchDB always has a uuid; behind some gateways it is taken out, and then the address must do.
        uuid = value.get("uuid")
        self._endpoint.identity = uuid if isinstance(uuid, str) and uuid else self._endpoint.label
        return self._endpoint.identity

    def summary(self) -> Pending[Summary]:
        return self._call("GET", self._path, _parse_summary)

    def create(self) -> Pending[None]:
        return self._call("PUT", self._path, lambda _value: None)

    def feed(self, since: Seq, limit: int, *, docs: bool) -> Pending[FeedAnswer]:
        query = f"?style=all_docs&limit={limit}&since={quote(since, safe='')}"
        if not docs:
            # A page is taken whole, so one seq is enough for all its rows: CouchDB's are 170 bytes long.
            target = f"{self._path}/_changes{query}&seq_interval={limit}"
            exchange = self._exchange("GET", target, large=limit > EARLY_ROWS)
            return Mapped(exchange, self._parse_feed)
        ours = SYNC_FEATURE in self._endpoint.features
        interval = 1 if ours or limit < MANY_ROWS else SEQ_INTERVAL
        target = f"{self._path}/_changes{query}&seq_interval={interval}&include_docs=true&attachments=true"
        target += self._encoding_query()
        return Rescued(self._exchange("GET", target, large=True), self._parse_feed, Broken, self._rescue_feed)

    @property
    def _reads_encoded(self) -> bool:
        return ENCODED_FEATURE in self._endpoint.features

    def _encoding_query(self) -> str:
        """Return the option with which attachments that are kept gzipped come so that they can be kept so."""
        return "&att_encoded=true" if self._reads_encoded else "&att_encoding_info=true"

    def _parse_feed(self, exchange: Exchange) -> FeedAnswer:
        value = self._parse(exchange)
        return FeedAnswer(_parse_changes(value), _parse_brought(value["results"]), exchange.answer.wire_bytes)

    def _rescue_feed(self, torn: Broken) -> FeedAnswer:
        """Return the rows that came before the line broke, up to the last that says where the feed goes on; of a row
        torn in the middle of its attachment the half is kept, and its rest asked for when the document is."""
        rows, rest = split_rows(torn.part.body)
        found = parse_torn(rest)
        if found is not None and _is_new(found[0]):
            row, half = found
            rows.append({**row, "doc": None})
            self._halves.keep(half)
            rest = ""
        while rows and not (isinstance(rows[-1], dict) and rows[-1].get("seq") is not None):
            rows.pop()
        if not rows:
            raise torn
        page = _parse_changes({"results": rows, "last_seq": rows[-1]["seq"], "pending": 1})
        return FeedAnswer(page, _parse_brought(rows), _useful(torn.part, rest), torn=True)

    def _rescue_read(self, requests: Sequence[GetRequest], torn: Broken) -> ReadAnswer:
        """Return the results that came before the line broke; of the one that is torn the half is kept."""
        rows, rest = split_rows(torn.part.body)
        if (found := parse_torn(rest)) is not None:
            self._halves.keep(found[1])
            rest = ""
        rows = rows[: len(requests)]
        if not rows:
            raise torn
        return ReadAnswer(_parse_bulk_get(requests[: len(rows)], {"results": rows}), _useful(torn.part, rest))

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> Pending[dict[DocId, RevsDiff]]:
        body = orjson.dumps({doc_id: list(revs) for doc_id, revs in wanted.items()})
        return self._call("POST", f"{self._path}/_revs_diff", _parse_revs_diff, body)

    def bulk_get(self, requests: Sequence[GetRequest]) -> Pending[ReadAnswer]:
        half = self._halves.get(requests[0].id, requests[0].rev)
        if half is not None and not requests[0].atts_since:
            return self._fetch_rest(half)
        body = orjson.dumps({"docs": [_build_get(request) for request in requests]})
        target = f"{self._path}/_bulk_get?revs=true&latest=true&attachments=true{self._encoding_query()}"
        exchange = self._exchange("POST", target, body, large=True)
        read = Rescued(
            exchange,
            lambda done: self._parse_read(requests, done),
            Broken,
            lambda torn: self._rescue_read(requests, torn),
        )
        return read if self._reads_encoded else Completed(read, self._fetch_whole)

    def _fetch_whole(self, doc: Doc) -> Pending[Doc]:
        target = f"{self._path}{build_path(doc.id)}?rev={doc.rev}&revs=true&attachments=true"
        headers = {"Accept": MULTIPART, "Accept-Encoding": "identity"}
        return Mapped(self._exchange("GET", target, headers=headers), lambda done: parse_whole(doc, done))

    def _fetch_rest(self, half: Half) -> Pending[ReadAnswer]:
        """Ask for what a cut has torn off; the answer is one row, whatever else was wanted."""
        rev = quote(half.rev, safe="")
        target = build_path(self._name, half.id)
        stub = self._exchange("GET", f"{target}?rev={rev}&revs=true")
        plain = {"Accept": "*/*", "Accept-Encoding": "identity", "Range": f"bytes={len(half.data)}-"}
        rest = self._exchange("GET", f"{target}{build_path(half.name)}?rev={rev}", headers=plain)
        return Mended(self._halves, half, stub, rest)

    def _parse_read(self, requests: Sequence[GetRequest], exchange: Exchange) -> ReadAnswer:
        try:
            return ReadAnswer(_parse_bulk_get(requests, self._parse(exchange)), exchange.answer.wire_bytes)
        except Unreadable as exc:
            # One document nobody can read spoils the text of the answer: asked for alone, it spoils nothing else.
            raise BadRequest(str(exc)) from exc

    def bulk_docs(self, docs: Sequence[Outgoing], body: Body | None = None) -> Pending[WriteAnswer]:
        apart = [] if self._reads_encoded else [out.doc for out in docs if has_encoded(out.doc)]
        if not apart or body is not None:
            return self._write_batch(docs, body)
        rest = [out for out in docs if not has_encoded(out.doc)]
        return Joined([*([self._write_batch(rest, None)] if rest else []), *map(self._write_alone, apart)])

    def _write_alone(self, doc: Doc) -> Pending[WriteAnswer]:
        headers, body = build_put(doc)
        exchange = self._exchange("PUT", f"{self._path}{build_path(doc.id)}?new_edits=false", body, headers=headers)
        return Mapped(exchange, lambda done: parse_put(doc, done))

    def _write_batch(self, docs: Sequence[Outgoing], body: Body | None) -> Pending[WriteAnswer]:
        target = f"{self._path}/_bulk_docs"
        plain = b'{"new_edits":false,"docs":[' + b",".join(out.json for out in docs) + b"]}" if body is None else b""
        body = body or self._endpoint.pack_body(plain)
        if body is None:
            return Mapped(self._exchange("POST", target, plain), lambda done: self._parse_write(docs, done, 0))
        at = body.at
        try:
            exchange = self._endpoint.send_body("POST", target, body)
        except LinkCut as exc:
            return _broken(exc)
        return Mapped(exchange, lambda done: self._parse_write(docs, done, at))

    def _parse_write(self, docs: Sequence[Outgoing], exchange: Exchange, at: int) -> WriteAnswer:
        if at and exchange.answer.status == CONFLICT:
            raise Busy("the server does not hold the beginning any more; sending it whole", 0.0)
        return WriteAnswer(_parse_rows(docs, self._parse(exchange)), at + exchange.request_bytes, at)

    def get_local(self, local_id: str) -> Pending[JsonObject | None]:
        exchange = self._exchange("GET", f"{self._path}/_local/{quote(local_id, safe='')}")
        return Mapped(exchange, self._parse_local)

    def _parse_local(self, exchange: Exchange) -> JsonObject | None:
        try:
            value = self._parse(exchange)
        except NotFound as exc:
            if exc.reason in ("missing", "deleted"):
                return None
            raise  # the database itself is missing
        return value if isinstance(value, dict) else None

    def put_local(self, local_id: str, body: JsonObject) -> Pending[None]:
        target = f"{self._path}/_local/{quote(local_id, safe='')}"
        return self._call("PUT", target, lambda _value: None, orjson.dumps(body))

    def wait_for_change(self, since: Seq, timeout_s: float, stop: threading.Event) -> bool:
        wait_s = min(LONGPOLL_S, max(1, int(timeout_s)))
        waiter = self._endpoint.sibling(stall_s=wait_s + LONGPOLL_GRACE_S)
        try:
            waiter.connect()
            query = f"feed=longpoll&timeout={wait_s * 1000}&limit=1&since={quote(since, safe='')}"
            answer = waiter.request("GET", f"{self._path}/_changes?{query}")
            until = time.monotonic() + wait_s + LONGPOLL_GRACE_S
            while not answer.done and not stop.is_set() and time.monotonic() < until:
                waiter.pump(WAIT_SLICE_S)
            return answer.done and bool(_parse_changes(parse_json(answer.result().answer)).rows)
        finally:
            waiter.close()

    def _call(self, method: str, target: str, convert: Callable[[Any], T], body: bytes | None = None) -> Pending[T]:
        return Mapped(self._exchange(method, target, body), lambda exchange: convert(self._parse(exchange)))

    def _exchange(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        large: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Pending[Exchange]:
        try:
            return self._endpoint.request(method, target, body, large=large, headers=headers)
        except LinkCut as exc:
            return _broken(exc)

    def _parse(self, exchange: Exchange) -> Any:
        try:
            return parse_json(exchange.answer)
        except BadContentType as exc:
            if not self._endpoint.refuse_coding(exchange.coding):
                raise
            raise Busy(f"{exc.reason}; trying again with another compression", 0.0) from exc


def _broken(error: LinkCut) -> Promise[Any]:
    promise: Promise[Any] = Promise()
    promise.break_with(error)
    return promise


def _is_new(row: Any) -> bool:
    """Is this the row of a document with one leaf of the first generation, which came along with it?"""
    changes, doc = row.get("changes"), row.get("doc")
    if row.get("seq") is None or not isinstance(changes, list) or len(changes) != 1 or not isinstance(doc, dict):
        return False
    rev = doc.get("_rev")
    return (row.get("id"), changes[0]) == (doc.get("_id"), {"rev": rev}) and str(rev).startswith("1-")


def _useful(part: Part, lost: str) -> int:
    """Return the bytes on the wire of what was kept, all but the text `lost` at its end."""
    return part.wire_bytes - part.wire_bytes * len(lost.encode()) // max(1, len(part.body))


def _parse_summary(value: Any) -> Summary:
    try:
        count = int(value["doc_count"]) + int(value.get("doc_del_count", 0))
        return Summary(count, Seq(str(value["update_seq"])))
    except (TypeError, KeyError, ValueError, AttributeError) as exc:
        raise NotAPeer("the answer does not describe a database") from exc


def _parse_changes(value: Any) -> ChangesPage:
    try:
        rows = tuple(_parse_change(row) for row in value["results"])
        pending = value.get("pending")
        return ChangesPage(rows, Seq(str(value["last_seq"])), pending if isinstance(pending, int) else len(rows))
    except (TypeError, KeyError, AttributeError, BadRequest) as exc:
        raise NotAPeer("the answer is no feed of changes") from exc


def _parse_change(row: Any) -> ChangeRow:
    seq = row.get("seq")
    leaves = tuple(Rev(change["rev"]) for change in row["changes"])
    for leaf in leaves:
        parse_rev(leaf)
    doc_id = row["id"]
    if not isinstance(doc_id, str) or not leaves:
        raise NotAPeer("a row of the feed of changes names no document")
    return ChangeRow(NO_SEQ if seq is None else Seq(str(seq)), DocId(doc_id), leaves, row.get("deleted") is True)


def _parse_brought(rows: Sequence[Any]) -> dict[tuple[DocId, Rev], Doc]:
    """Return the documents that came with rows of a feed: those that need no history beyond their own revision.

    What cannot be read is left out; asked for by itself, it is named to whoever waits for it.
    """
    brought = {}
    for row in rows:
        value, leaves = row.get("doc"), row["changes"]
        if not isinstance(value, dict) or len(leaves) != 1 or row.get("deleted") is True:
            continue
        try:
            doc = parse_document(value, new_edits=False)
        except BadRequest:
            continue
        known = doc.generation == 1 and (doc.id, doc.rev) == (row["id"], leaves[0]["rev"])
        if known and not is_inexact(doc):
            brought[doc.id, Rev(leaves[0]["rev"])] = doc
    return brought


def _parse_revs_diff(value: Any) -> dict[DocId, RevsDiff]:
    try:
        return {
            DocId(doc_id): RevsDiff(
                tuple(Rev(rev) for rev in entry["missing"]),
                tuple(Rev(rev) for rev in entry.get("possible_ancestors") or ()),
            )
            for doc_id, entry in value.items()
            if entry.get("missing")
        }
    except (TypeError, KeyError, AttributeError) as exc:
        raise NotAPeer("the answer is no _revs_diff") from exc


def _build_get(request: GetRequest) -> JsonObject:
    row: JsonObject = {"id": request.id}
    if request.rev is not None:
        row["rev"] = request.rev
    if request.atts_since:
        row["atts_since"] = list(request.atts_since)
    return row


def _parse_bulk_get(requests: Sequence[GetRequest], value: Any) -> list[list[Doc | MissingRev]]:
    """CouchDB answers in the order of the request, one result each; anything else cannot be trusted."""
    try:
        results = value["results"]
        if [result["id"] for result in results] != [request.id for request in requests]:
            raise NotAPeer("the _bulk_get answers other documents than were asked for")
        return [
            [_parse_got(request, row) for row in result["docs"]]
            for request, result in zip(requests, results, strict=True)
        ]
    except (TypeError, KeyError, AttributeError, BadRequest) as exc:
        raise NotAPeer("the answer is no _bulk_get") from exc


def _parse_got(request: GetRequest, row: Any) -> Doc | MissingRev:
    if "ok" in row:
        try:
            doc = parse_document(row["ok"], new_edits=False)
        except BadRequest as exc:  # one unreadable document must not hold up the others
            return MissingRev(request.id, request.rev, f"unreadable: {exc.reason}")
        if doc.id != request.id:
            raise NotAPeer("the _bulk_get answers a document under another's name")
        return doc
    return MissingRev(request.id, request.rev, str(row["error"].get("error", "missing")))


def _parse_rows(docs: Sequence[Outgoing], value: Any) -> tuple[Refusal, ...]:
    """CouchDB lists failures only; rows that say ok, as older servers send, are passed over."""
    if not isinstance(value, list):
        raise NotAPeer("the answer is no _bulk_docs")
    revs = {out.doc.id: out.doc.rev for out in docs}
    refusals = []
    for row in value:
        if not isinstance(row, dict):
            raise NotAPeer("the answer is no _bulk_docs")
        if "error" not in row:
            continue
        doc_id, word = DocId(str(row.get("id"))), str(row["error"])
        rev = row.get("rev")
        known = Rev(rev) if isinstance(rev, str) and rev else revs.get(doc_id)
        refusals.append(Refusal(doc_id, known, word, str(row.get("reason", "")), word in TRANSIENT_WORDS))
    return tuple(refusals)
