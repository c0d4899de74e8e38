"""Meeting a neighbour before replicating with it: who it is, what its clock says, which databases it opens to us.

    GET  /api/node            its URN (whom our tokens are for) and its time (by which we make them)
    GET  /db/_all_dbs         what it holds of the branch we share
    POST /api/introductions   our certificate with its chain, where it does not believe our token yet
    PUT  /db/<database>       for those of ours that it lacks

All over one connection. Met before, with its clock as it was then, a neighbour costs one request.

Nothing it answers is believed further than this: what replicates proves itself.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
from cryptography import x509

from crypto import strictjson
from crypto.errors import CryptoError
from replication.errors import NotAPeer, Unauthorized, Unavailable
from replication.peers import Busy, Endpoint, EndpointOptions, Traffic
from replication.peers.answers import parse_retry_after
from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.times import parse_time
from server.errors import ServerError
from server.pki.documents import to_base64
from server.signing import TOKEN_LIFE_S, NodeSigner

# Either of these with the longest wait between two tries stays within 30 s: a router may swallow the call, or a network
# in between take it, and then carry nothing.
CONNECT_S = 10.0
MUTE_S = 15.0
_STALL_S = 60.0  # of somebody who has just answered
_MAX_ANSWER_BYTES = 1024 * 1024
_PUMP_S = 0.5
_RENEW_BEFORE_S = 120


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A neighbour as it answered: its unit, and the names of the databases it opens to us."""

    unit: str
    urn: str
    name: str
    databases: tuple[str, ...]
    clock_offset_s: int = 0  # how far its clock is ahead of ours


class Tokens:
    """Authorization headers for one neighbour, by its clock, made anew before they run out."""

    def __init__(self, signer: NodeSigner, audience: str, offset: timedelta, clock: NodeClock) -> None:
        self._signer = signer
        self._audience = audience
        self._offset = offset
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._made = datetime.min.replace(tzinfo=UTC)

    def headers(self) -> Mapping[str, str]:
        """Return the header to send with a request now."""
        with self._lock:
            now = self._clock.now() + self._offset
            if (now - self._made).total_seconds() > TOKEN_LIFE_S - _RENEW_BEFORE_S:
                self._token, self._made = self._signer.token(self._audience, now), now
            return {"Authorization": f"Bearer {self._token}"}


Ask = Callable[[str, str, Any], Any]  # (method, path, JSON value or None) → JSON; raises as `fetch_acquaintance`
Also = Callable[[Acquaintance, Ask], None]


@dataclass(frozen=True, slots=True)
class Caller:
    """A neighbour that was met, ready to be asked."""

    meeting: Meeting
    tokens: Tokens

    def ask(self, method: str, target: str, value: Any = None) -> Any:
        """Return the JSON with which it answers. Raises as `Meeting.ask` does."""
        return self.meeting.ask(self.tokens, method, target, value)


class Companion(Protocol):
    """Whoever has something of its own to say to a neighbour that was met."""

    def greet(self, unit: str, caller: Caller) -> None:
        """Say what has to be said before anything is replicated. Never raises for what the neighbour does."""

    def met(self, unit: str, caller: Caller) -> None:
        """Hear of a meeting; returns at once."""

    def parted(self, caller: Caller) -> None:
        """Hear that a link to whom `caller` asks has ended: it is not to be asked any more; returns at once."""

    def visit(self, unit: str, caller: Caller) -> None:
        """Say it now, in the caller's thread. Never raises for what the neighbour does."""


class Meeting:
    """Meets one neighbour at `url`, again and again; remembers who it was. Bytes count into `traffic`.

    `ours` names the databases we hold of the branch shared with a unit; those the neighbour lacks are made there.
    `also` is called on the same connection each time, with who was met and a way to ask it.
    """

    def __init__(
        self,
        url: str,
        *,
        signer: NodeSigner,
        chain: list[x509.Certificate],
        clock: NodeClock,
        ours: Callable[[str], Iterable[str]],
        traffic: Traffic | None = None,
        tls: ssl.SSLContext | None = None,
        also: Also = lambda _there, _ask: None,
    ) -> None:
        self.url = url
        self.traffic = traffic or Traffic()
        self.tls = tls
        self._signer = signer
        self._chain = chain
        self._clock = clock
        self._ours = ours
        self._also = also
        self._known: tuple[str, str, str, timedelta] | None = None

    def fetch_acquaintance(self) -> tuple[Acquaintance, Tokens]:
        """Return what the neighbour says of itself, and tokens it takes.

        Raises `LinkCut` if it does not answer, `NotAPeer` if the answer is not a node's (a captive portal), `Busy` if
        it asks for patience, `Unauthorized` if it does not believe us.
        """
        options = EndpointOptions(CONNECT_S, MUTE_S, _MAX_ANSWER_BYTES, gzip=False)
        endpoint = Endpoint(self.url, tls=self.tls, options=options, traffic=self.traffic)
        try:
            endpoint.connect()
            there, tokens = self._meet(endpoint)
            self._also(
                there, lambda method, target, value: _call(endpoint, method, target, value, headers=tokens.headers())
            )
            return there, tokens
        finally:
            endpoint.close()

    def ask(self, tokens: Tokens, method: str, target: str, value: Any = None) -> Any:
        """Return the JSON with which the neighbour answers one request, over a connection of its own.

        Raises as `fetch_acquaintance` does.
        """
        headers = tokens.headers()
        return fetch_answer(self.url, method, target, value, tls=self.tls, traffic=self.traffic, headers=headers)

    def _meet(self, endpoint: Endpoint) -> tuple[Acquaintance, Tokens]:
        if self._known is not None:
            try:
                return self._list(endpoint, *self._known)
            except (Unauthorized, NotAPeer):
                self._known = None  # another node stands there now, forgot us, or its clock was set
        said = _call(endpoint, "GET", "/api/node")
        unit, urn, offset = _read_node(self.url, said, self._clock)
        name = str(said.get("name", ""))[:200]
        try:
            found = self._list(endpoint, unit, urn, name, offset)
        except Unauthorized:
            introduction = {"chain": [to_base64(each) for each in (self._signer.certificate, *self._chain)]}
            _call(endpoint, "POST", "/api/introductions", introduction)
            found = self._list(endpoint, unit, urn, name, offset)
        self._known = (unit, urn, name, offset)
        return found

    def _list(
        self, endpoint: Endpoint, unit: str, urn: str, name: str, offset: timedelta
    ) -> tuple[Acquaintance, Tokens]:
        """Ask what it holds, and make what it lacks of ours. Raises `Unauthorized` where it does not believe us."""
        tokens = Tokens(self._signer, urn, offset, self._clock)
        names = _call(endpoint, "GET", "/db/_all_dbs", headers=tokens.headers())
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise NotAPeer(f"{self.url} does not list its databases")
        missing = sorted(set(self._ours(unit)) - set(names))
        for each in missing:
            _call(endpoint, "PUT", f"/db/{each}", headers=tokens.headers())
        offset_s = int(offset.total_seconds())
        return Acquaintance(unit, urn, name, (*names, *missing), offset_s), tokens


def fetch_answer(
    url: str,
    method: str,
    target: str,
    value: Any = None,
    *,
    tls: ssl.SSLContext | None = None,
    traffic: Traffic | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Return the JSON with which a node at `url` answers one request, over a connection of its own. `tls` None is the
    system's own trust. Raises as `Meeting.fetch_acquaintance` does."""
    options = EndpointOptions(CONNECT_S, _STALL_S, _MAX_ANSWER_BYTES, gzip=False)
    endpoint = Endpoint(url, tls=tls, options=options, traffic=traffic)
    try:
        endpoint.connect()
        return _call(endpoint, method, target, value, headers=headers)
    finally:
        endpoint.close()


def _read_node(url: str, said: Any, clock: NodeClock) -> tuple[str, str, timedelta]:
    try:
        unit = units.parse_unit_code(said["unit"])
        if said["urn"] != units.node_urn(unit):
            raise NotAPeer(f"{url} calls itself {str(said['urn'])[:80]!a} and its unit {unit}")
        return unit, said["urn"], parse_time(said["time"]) - clock.now()
    except (KeyError, TypeError, ServerError) as exc:
        raise NotAPeer(f"{url} answers, but not as a node does: {exc!r}") from exc


def _call(
    endpoint: Endpoint,
    method: str,
    target: str,
    value: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Return the JSON of an answer, bounded."""
    pending = endpoint.request(method, target, orjson.dumps(value) if value is not None else None, headers=headers)
    while not pending.done:
        endpoint.pump(_PUMP_S)
    answer = pending.result().answer
    return _parse(endpoint.label + target, answer.status, answer.headers.get("retry-after", ""), answer.body)


def _parse(url: str, status: int, retry_after: str, body: bytes) -> Any:
    if status in (429, 503):
        raise Busy(f"{url} asks to come back later", parse_retry_after(retry_after))
    try:
        value = strictjson.parse(body, max_bytes=_MAX_ANSWER_BYTES, max_depth=8)
    except CryptoError as exc:
        raise NotAPeer(f"{url} answers {status} with something that is not JSON") from exc
    reason = value.get("reason", "") if isinstance(value, dict) else ""
    if status in (401, 403):
        raise Unauthorized(f"{url}: {reason}")
    if status >= 500:
        raise Unavailable(f"{url} answers {status}: {reason}")
    if status >= 400 and status != 412:  # 412: somebody else made the database just now
        word = value.get("error", "") if isinstance(value, dict) else ""
        raise NotAPeer(f"{url} answers {status} {word}: {reason}")
    return value
