"""A database behind the CouchDB protocol as a peer. Only standard endpoints: CouchDB 3.5 and ours are served alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from replication.attached import ENCODED_FEATURE
from replication.document import Doc, DocId, Rev, Seq
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
    parse_put,
    parse_whole,
)
from replication.peers.endpoint import SYNC_FEATURE, Endpoint
from replication.peers.halves import Half, Halves, Mended, parse_torn
from replication.peers.peer import FeedAnswer, JsonObject, Outgoing, ReadAnswer, Summary, WriteAnswer
from replication.peers.pending import Done, Mapped, Pending, Promise, Rescued, T
from replication.peers.salvage import split_rows
from replication.peers.shapes import (
    build_get,
    is_new,
    parse_brought,
    parse_bulk_get,
    parse_changes,
    parse_refusals,
    parse_revs_diff,
    parse_summary,
)
from replication.peers.wire import Part, build_path
from replication.store import GetRequest, RevsDiff

# CouchDB cuts longer waits to 60 s; routers forget idle connections a little later.
LONGPOLL_S = 50
LONGPOLL_GRACE_S = 20.0
WAIT_SLICE_S = 0.5
EARLY_ROWS = 20  # below this a page of the feed without documents is not worth naming a dictionary
# CouchDB's seqs are 170 bytes long and it does not compress: one in four says where to go on after a cut.
SEQ_INTERVAL = 4
MANY_ROWS = 32  # fewer in a stretch means that they are large: a file chunk lost costs more than all the seqs
CONFLICT = 409


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
        return self._call("GET", self._path, parse_summary)

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
        return FeedAnswer(parse_changes(value), parse_brought(value["results"]), exchange.answer.wire_bytes)

    def _rescue_feed(self, torn: Broken) -> FeedAnswer:
        """Return the rows that came before the line broke, up to the last that says where the feed goes on; of a row
        torn in the middle of its attachment the half is kept, and its rest asked for when the document is."""
        rows, rest = split_rows(torn.part.body)
        found = parse_torn(rest)
        if found is not None and is_new(found[0]):
            row, half = found
            rows.append({**row, "doc": None})
            self._halves.keep(half)
            rest = ""
        while rows and not (isinstance(rows[-1], dict) and rows[-1].get("seq") is not None):
            rows.pop()
        if not rows:
            raise torn
        page = parse_changes({"results": rows, "last_seq": rows[-1]["seq"], "pending": 1})
        return FeedAnswer(page, parse_brought(rows), _useful(torn.part, rest), torn=True)

    def _rescue_read(self, requests: Sequence[GetRequest], torn: Broken) -> ReadAnswer:
        """Return the results that came before the line broke; of the one that is torn the half is kept."""
        rows, rest = split_rows(torn.part.body)
        if (found := parse_torn(rest)) is not None:
            self._halves.keep(found[1])
            rest = ""
        rows = rows[: len(requests)]
        if not rows:
            raise torn
        return ReadAnswer(parse_bulk_get(requests[: len(rows)], {"results": rows}), _useful(torn.part, rest))

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> Pending[dict[DocId, RevsDiff]]:
        body = orjson.dumps({doc_id: list(revs) for doc_id, revs in wanted.items()})
        return self._call("POST", f"{self._path}/_revs_diff", parse_revs_diff, body)

    def bulk_get(self, requests: Sequence[GetRequest]) -> Pending[ReadAnswer]:
        half = self._halves.get(requests[0].id, requests[0].rev)
        if half is not None and not requests[0].atts_since:
            return self._fetch_rest(half)
        body = orjson.dumps({"docs": [build_get(request) for request in requests]})
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
            return ReadAnswer(parse_bulk_get(requests, self._parse(exchange)), exchange.answer.wire_bytes)
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
        return WriteAnswer(parse_refusals(docs, self._parse(exchange)), at + exchange.request_bytes, at)

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
            return answer.done and bool(parse_changes(parse_json(answer.result().answer)).rows)
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


def _useful(part: Part, lost: str) -> int:
    """Return the bytes on the wire of what was kept, all but the text `lost` at its end."""
    return part.wire_bytes - part.wire_bytes * len(lost.encode()) // max(1, len(part.body))
