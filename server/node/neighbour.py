"""Meeting a neighbour before replicating with it: who it is, what its clock says, which databases it opens to us.

    GET  /api/node            its URN (whom our tokens are for) and its time (by which we make them)
    POST /api/introductions   our certificate with its chain, so that it can believe our tokens
    GET  /db/_all_dbs         what it holds of the branch we share
    PUT  /db/<database>       for those of ours that it lacks

Nothing it answers is believed further than this: what replicates proves itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from cryptography import x509

from crypto import strictjson
from crypto.errors import CryptoError
from replication.errors import LinkCut, NotAPeer, Unauthorized
from server.dossier import units
from server.dossier.times import parse_time
from server.errors import ServerError
from server.node.clock import NodeClock
from server.node.signing import TOKEN_LIFE_S, NodeSigner
from server.pki.documents import to_base64

_TIMEOUT_S = (15.0, 60.0)  # connect, answer: a certificate chain takes 4 s at 8 kbit/s
_MAX_ANSWER_BYTES = 1024 * 1024
_RENEW_BEFORE_S = 120


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A neighbour as it answered: its unit, and the names of the databases it opens to us."""

    unit: str
    urn: str
    name: str
    databases: tuple[str, ...]


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


def fetch_acquaintance(
    url: str,
    signer: NodeSigner,
    chain: list[x509.Certificate],
    clock: NodeClock,
    ours: Callable[[str], Iterable[str]],
) -> tuple[Acquaintance, Tokens]:
    """Introduce this node to the neighbour at `url`. Returns what it says of itself, and tokens it takes.

    `ours` names the databases we hold of the branch shared with a unit; those the neighbour lacks are made there.

    Raises `LinkCut` if it does not answer, `NotAPeer` if the answer is not a node's (a captive portal), `Unauthorized`
    if it does not believe us.
    """
    with requests.Session() as session:
        session.trust_env = False  # no proxies: the neighbour is on our own line
        said = _call(session, "GET", f"{url}/api/node")
        unit, urn, offset = _read_node(url, said, clock)
        introduction = [to_base64(each) for each in (signer.certificate, *chain)]
        _call(session, "POST", f"{url}/api/introductions", json={"chain": introduction})
        tokens = Tokens(signer, urn, offset, clock)
        names = _call(session, "GET", f"{url}/db/_all_dbs", headers=tokens.headers())
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise NotAPeer(f"{url} does not list its databases")
        missing = sorted(set(ours(unit)) - set(names))
        for name in missing:
            _call(session, "PUT", f"{url}/db/{name}", headers=tokens.headers())
    return Acquaintance(unit, urn, str(said.get("name", ""))[:200], (*names, *missing)), tokens


def _read_node(url: str, said: Any, clock: NodeClock) -> tuple[str, str, timedelta]:
    try:
        unit = units.parse_unit_code(said["unit"])
        if said["urn"] != units.node_urn(unit):
            raise NotAPeer(f"{url} calls itself {str(said['urn'])[:80]!a} and its unit {unit}")
        return unit, said["urn"], parse_time(said["time"]) - clock.now()
    except (KeyError, TypeError, ServerError) as exc:
        raise NotAPeer(f"{url} answers, but not as a node does: {exc!r}") from exc


def _call(session: requests.Session, method: str, url: str, **options: Any) -> Any:
    """Return the JSON of an answer, bounded."""
    try:
        with session.request(
            method, url, timeout=_TIMEOUT_S, allow_redirects=False, stream=True, **options
        ) as response:
            body = response.raw.read(_MAX_ANSWER_BYTES + 1, decode_content=True)
    except (requests.RequestException, OSError) as exc:
        raise LinkCut(f"{url} does not answer: {exc}") from exc
    if len(body) > _MAX_ANSWER_BYTES:
        raise NotAPeer(f"{url} answers with more than {_MAX_ANSWER_BYTES} bytes")
    return _parse(url, response.status_code, body)


def _parse(url: str, status: int, body: bytes) -> Any:
    try:
        value = strictjson.parse(body, max_bytes=_MAX_ANSWER_BYTES, max_depth=8)
    except CryptoError as exc:
        raise NotAPeer(f"{url} answers {status} with something that is not JSON") from exc
    if status in (401, 403):
        raise Unauthorized(f"{url}: {value.get('reason', '') if isinstance(value, dict) else ''}")
    if status >= 400 and status != 412:  # 412: somebody else made the database just now
        reason = f"{value.get('error')}: {value.get('reason')}" if isinstance(value, dict) else ""
        raise NotAPeer(f"{url} answers {status} {reason}")
    return value
