"""How far all databases of one of our own servers have got, asked in one request (`/_tram/seqs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replication.document import Seq
from replication.errors import LinkCut, NotAPeer
from replication.peers.answers import parse_json
from replication.peers.channel import Exchange
from replication.peers.endpoint import Endpoint
from replication.peers.pending import Mapped, Pending, Promise

NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Listing:
    """`mark` stands for all of it: handed back, it is answered with 304 while nothing has moved."""

    mark: str
    uuid: str
    seqs: Mapping[str, Seq]


def ask_listing(endpoint: Endpoint, mark: str | None = None, *, wait_s: int = 0) -> Pending[Listing | None]:
    """Ask for the listing; None is the answer while `mark` still stands, given after `wait_s` seconds.

    `result()` raises `NotFound` where the server has no such thing, and as every call of a peer.
    """
    target = "/_tram/seqs" + (f"?wait={wait_s}" if wait_s else "")
    try:
        exchange = endpoint.request("GET", target, headers={"If-None-Match": mark} if mark else None)
    except LinkCut as exc:
        promise: Promise[Listing | None] = Promise()
        promise.break_with(exc)
        return promise
    return Mapped(exchange, _parse)


def _parse(exchange: Exchange) -> Listing | None:
    if exchange.answer.status == NOT_MODIFIED:
        return None
    value: Any = parse_json(exchange.answer)
    try:
        seqs = {str(name): Seq(str(seq)) for name, seq in value["seqs"].items()}
        return Listing(exchange.answer.headers["etag"], str(value["uuid"]), seqs)
    except (TypeError, KeyError, AttributeError) as exc:
        raise NotAPeer("the answer does not list databases") from exc
