"""A CouchDB server at the far end of a link: one connection, made again when it is gone, and its figures."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from replication import dictionaries
from replication.dictionaries import Dictionary, Shelf
from replication.errors import BadRequest, LinkCut
from replication.peers import bodies
from replication.peers.answers import check_peer
from replication.peers.bodies import Body, Torn, TornBodies
from replication.peers.channel import Broken, Channel, Exchange, Traffic
from replication.peers.dialling import Address, bracketed
from replication.peers.life import HEADER as LIFE_HEADER
from replication.peers.life import Life
from replication.peers.packing import build_gzip
from replication.peers.patience import LEAST_S, Patience
from replication.peers.pending import Pending, Rescued
from replication.peers.urls import build_basic, parse_server_url
from replication.peers.wire import MAX_ANSWER_BYTES, build_request

HeaderSource = Callable[[], Mapping[str, str]]
# What a server of ours names in the features of its greeting: that it is one, and the dictionaries it reads.
SYNC_FEATURE = "tram-sync/1"
DICTIONARY_FEATURE = "dcz:"
FRESH_S = 0.05
# Below this a gzip header and trailer (18 bytes) eat what is won.
MIN_GZIP_BYTES = 200


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`stall_s`: with an answer due and no byte moving for so long, the link is dead; on a line that is known after
    `least_stall_s` already, unless it has been silent for longer before (`patience`)."""

    connect_timeout_s: float = 15.0
    stall_s: float = 20.0
    least_stall_s: float = LEAST_S
    max_answer_bytes: int = MAX_ANSWER_BYTES
    gzip: bool = True


class Endpoint:
    """One server. Used by one thread; `sibling` gives another thread its own connection to the same server.

    `url` names the server root, with credentials if Basic is wanted; `headers` is asked for more headers at each
    request, so that tokens may change. A TLS context given wins over the default one.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: HeaderSource | None = None,
        tls: ssl.SSLContext | None = None,
        options: EndpointOptions | None = None,
        traffic: Traffic | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        host, port, secure, self.path, user, password = parse_server_url(url)
        self._url = url
        self._tls = (tls or ssl.create_default_context()) if secure else None
        self._address = Address(host, port, self._tls)
        self._headers = headers
        self._basic = build_basic(user, password or "") if user is not None else {}
        default_port = 443 if secure else 80
        self._host = bracketed(host) if port == default_port else f"{bracketed(host)}:{port}"
        self.label = f"{'https' if secure else 'http'}://{self._host}{self.path}"
        self.options = options or EndpointOptions()
        self.traffic = traffic or Traffic()
        self.account: Traffic | None = None  # to whom what is asked now is charged as well
        self.gzip = self.options.gzip
        self.shelf = shelf or dictionaries.default_shelf()
        self.dictionary: Dictionary | None = None
        self._fetching: tuple[str, Pending[Exchange]] | None = None
        self._torn = TornBodies()
        self.identity: str | None = None
        self.rtt_s = 0.0  # the shortest exchange seen; 0 before the first
        self.features: frozenset[str] = frozenset()
        self.life = Life()
        self.answers = 0  # how many have begun that a peer gave, on all connections
        self.heard = False  # is known on this connection which life answers, or that none is told?
        self._channel: Channel | None = None
        self._counted = (0, 0)
        self._patience = Patience(self.options.stall_s, self.options.least_stall_s)

    def sibling(self, *, stall_s: float, connect_timeout_s: float | None = None) -> Endpoint:
        """Return another endpoint for the same server with a patience of its own; it counts into the same traffic."""
        connect_s = connect_timeout_s or self.options.connect_timeout_s
        options = replace(
            self.options, connect_timeout_s=connect_s, stall_s=stall_s, least_stall_s=stall_s, gzip=self.gzip
        )
        twin = Endpoint(
            self._url, headers=self._headers, tls=self._tls, options=options, traffic=self.traffic, shelf=self.shelf
        )
        twin.identity, twin.features, twin.dictionary = self.identity, self.features, self.dictionary
        twin.life, twin._address = self.life, self._address
        return twin

    @property
    def connected(self) -> bool:
        return self._channel is not None and not self._channel.closed

    @property
    def outstanding(self) -> int:
        return self._channel.outstanding if self._channel is not None else 0

    @property
    def unsent_bytes(self) -> int:
        return self._channel.unsent_bytes if self._channel is not None else 0

    def fileno(self) -> int:
        """The socket's number for `select`, -1 when there is no connection."""
        return self._channel.fileno() if self._channel is not None else -1

    def connect(self) -> bool:
        """Open a connection unless a usable one is there, and tell whether it is a new one.

        Raises `LinkCut` or `NotAPeer`.
        """
        if self._channel is not None and self._channel.is_usable():
            return False
        self.close()
        self._channel = Channel(
            self._address,
            check=self._check,
            connect_timeout_s=self.options.connect_timeout_s,
            max_answer_bytes=self.options.max_answer_bytes,
            shelf=self.shelf,
            patience=self._patience,
        )
        self._counted = (0, 0)
        self.heard = False
        self.traffic.connections += 1
        return True

    def _check(self, status: int, headers: Mapping[str, str]) -> None:
        check_peer(status, headers)
        self.answers += 1
        life = headers.get(LIFE_HEADER)
        self.life.hear(life)
        self.heard = self.heard or life is not None or not self.life.is_told

    def check_fresh(self) -> None:
        """Raise `LinkCut` if the connection just made is ended at once, as by a box that accepts for a dead line.

        What was sent on it would all be uncertain, for nothing."""
        if self._channel is not None and self._channel.ends_within(FRESH_S):
            self.close()
            raise LinkCut(f"{self.label} accepted the connection and ended it")

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        large: bool = False,
        headers: Mapping[str, str] | None = None,
        packed_as: str | None = None,
    ) -> Pending[Exchange]:
        """Queue one request for `target` (encoded path and query below the server root).

        A `body` is JSON unless `headers` name another Content-Type, and compressed where that pays and the server takes
        it, unless it is already: `packed_as` names the coding, "" for none. `large` says that the answer will be, so
        that naming our dictionary pays. Raises `LinkCut` if not connected.
        """
        if self._channel is None or self._channel.closed:
            raise LinkCut(f"not connected to {self.label}")
        sent = {"Host": self._host, "Accept": "application/json", "Accept-Encoding": "gzip"}
        sent.update(self._basic)
        if self._headers is not None:
            sent.update(self._headers())
        sent.update(headers or {})
        if large and self.dictionary is not None:
            sent["Accept-Encoding"] = f"{dictionaries.CODING}, gzip"
            sent["Available-Dictionary"] = f":{base64.b64encode(self.dictionary.digest).decode('ascii')}:"
        coding = ""
        if body is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
            body, coding = self._pack(body) if packed_as is None else (body, packed_as)
            if coding:
                sent["Content-Encoding"] = coding
        self.traffic.requests += 1
        return self._channel.submit(build_request(method, self.path + target, sent, body), coding, self.account)

    def pack_body(self, body: bytes) -> Body | None:
        """Return `body` packed so that it may be sent in parts, None where the server keeps none or it does not pay."""
        if bodies.FEATURE not in self.features or len(body) < bodies.MIN_BYTES:
            return None
        packed, coding = self._pack(body)
        return Body(packed, coding) if bodies.MIN_BYTES <= len(packed) <= bodies.MAX_BYTES else None

    def send_body(self, method: str, target: str, body: Body) -> Pending[Exchange]:
        """Queue a request with what the server lacks of `body`. `result()` raises `Torn` where a cut has torn it."""
        headers = {bodies.HEADER: body.header}
        exchange = self.request(method, target, body.data[body.at :], headers=headers, packed_as=body.coding)

        def tear(torn: Broken) -> Exchange:
            body.tear(torn)
            if body.is_waiting:
                self._torn.add(body)
            raise Torn(torn, body) from torn

        return Rescued(exchange, lambda done: done, Broken, tear)

    def forget(self) -> None:
        """The server was set back: it is asked who it is, and what is torn is no longer its concern."""
        self.identity = None
        self._torn = TornBodies()
        self.life.accept()

    def inquire(self) -> None:
        """Ask about bodies that were torn, if there are any: first thing on a connection that stands.

        Those beyond what one question takes are sent whole."""
        self._torn.inquire(lambda target: self.request("GET", target))

    def _pack(self, body: bytes) -> tuple[bytes, str]:
        """Return a body compressed as this server takes it, and the coding; "" where that does not pay."""
        if len(body) < MIN_GZIP_BYTES:
            return body, ""
        if self.dictionary is not None:
            return self.dictionary.compress(body), dictionaries.CODING
        if self.gzip:
            return build_gzip(body), "gzip"
        return body, ""

    def refuse_coding(self, coding: str) -> bool:
        """Note that the server does not read `coding` (415): dcz, gzip, nothing. Tell whether there is another way."""
        if coding == dictionaries.CODING:
            self.dictionary = None
        elif coding == "gzip":
            self.gzip = False
        return coding != ""

    def learn_features(self, features: frozenset[str]) -> None:
        """Note what the server says it can do. A dictionary it has and we lack is fetched, once, for what follows."""
        self.features = features
        names = [name.removeprefix(DICTIONARY_FEATURE) for name in features if name.startswith(DICTIONARY_FEATURE)]
        names = [name for name in names if dictionaries.is_name(name)]
        if SYNC_FEATURE not in features or not names or not self.options.gzip:
            return
        self.dictionary = self.shelf.common(names)
        if self.dictionary is None and self._fetching is None and self.connected:
            self._fetching = (names[0], self.request("GET", f"/_dict/{names[0]}"))

    def _take_dictionary(self) -> None:
        if self._fetching is None or not self._fetching[1].done:
            return
        name, pending = self._fetching
        self._fetching = None
        try:
            answer = pending.result().answer
            if answer.status == 200:
                self.dictionary = self.shelf.add(answer.body, name)
        except (LinkCut, BadRequest):
            self.dictionary = None  # gzip does too; asked for again at the next greeting

    def pump(self, timeout_s: float) -> None:
        """Move bytes for up to `timeout_s`. Raises `LinkCut` or `NotAPeer` when the connection is lost."""
        channel = self._channel
        if channel is None:
            raise LinkCut(f"not connected to {self.label}")
        try:
            channel.pump(timeout_s)
            self._notice_stall(channel)
            self._take_dictionary()
            self._torn.take()
        finally:
            self._count(channel)
            if channel.rtt_s is not None:
                self.rtt_s = min(channel.rtt_s, self.rtt_s) if self.rtt_s else channel.rtt_s

    def _notice_stall(self, channel: Channel) -> None:
        silent_s = time.monotonic() - channel.last_progress
        if channel.outstanding and silent_s > self._patience.limit_s(self.rtt_s):
            self._patience.lost()
            cut = LinkCut(f"no byte moved for {silent_s:.0f} s while an answer was due")
            channel.fail(cut)
            raise cut

    def _count(self, channel: Channel) -> None:
        (out, into), self._counted = self._counted, channel.moved()
        self.traffic.bytes_out += self._counted[0] - out
        self.traffic.bytes_in += self._counted[1] - into

    def close(self) -> None:
        """End the connection; open promises break with `LinkCut`."""
        if self._channel is not None:
            self._channel.fail(LinkCut("closed"))
            self._count(self._channel)
            self._channel = None
            self._torn.take()
