"""Bearer tokens: a compact JWS that says who is speaking, signed with the speaker's own key. Instead of passwords.

    header   {"alg": "ES256", "typ": "tram-token+jwt", "x5t#S256": <thumbprint of the speaker's certificate>}
    payload  {"iss": <URN of the speaker>, "aud": <URN of this node>, "iat": <s>, "exp": <s>}

A token is good for at most ten minutes and for one node, so one that leaks opens little. It may be used again while it
lasts: what it opens is protected by signatures of its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Literal

from crypto import base64url, jws, strictjson
from crypto.chain import VerifiedSigner
from crypto.errors import CryptoError, Malformed
from server.clocks.clock import NodeClock
from server.errors import NotSignedIn, Refused
from server.pki.directory import Directory
from server.pki.peers import PeerCertificates
from server.readmodel.model import ReadModel
from server.signing import TOKEN_TYPE

LONGEST_LIFE_S = 600
CLOCK_SKEW_S = 600
MAX_CHARS = 2048  # ours take 450; a longer one is an attack on the parser
_KEPT = 2048


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is speaking. `unit` is the node's unit, or the unit that enrolled the person."""

    kind: Literal["node", "person"]
    urn: str
    unit: str
    fingerprint: str


class TokenVerifier:
    """Verifies tokens for one node. Safe from several threads."""

    def __init__(
        self,
        *,
        audience: str,
        home_database: str,
        directory: Directory,
        peers: PeerCertificates,
        model: ReadModel,
        clock: NodeClock,
        is_ordered: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`is_ordered` says of a thumbprint that an official ordered its revocation: no list is waited for."""
        self._audience = audience
        self._home_database = home_database
        self._directory = directory
        self._peers = peers
        self._model = model
        self._clock = clock
        self._is_ordered = is_ordered
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Principal, int]] = OrderedDict()
        self._forgotten = 0  # times: what was being judged meanwhile is not kept

    def verify(self, token: str) -> Principal:
        """Return who made a token. Raises `NotSignedIn` with what is wrong, and our time if it is the clock."""
        now = self._clock.now()
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and now.timestamp() <= known[1]:
            return known[0]
        forgotten = self._forgotten
        principal, expires = self._verify(token, now)
        with self._lock:
            if forgotten == self._forgotten:
                self._known[digest] = (principal, expires)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return principal

    def forget(self) -> None:
        """Verify every token anew: a CRL or a revocation came."""
        with self._lock:
            self._forgotten += 1
            self._known.clear()

    def _verify(self, token: str, now: datetime) -> tuple[Principal, int]:
        try:
            fingerprint = _fingerprint(token)
            signer = self.signer(fingerprint, now)
            _, payload = jws.verify_compact(token, public_key=signer.public_key, typ=TOKEN_TYPE)
            claims = strictjson.parse(payload, max_bytes=MAX_CHARS, max_depth=1)
        except (CryptoError, Refused) as exc:
            raise NotSignedIn(f"this token does not hold: {exc}") from exc
        expires = self._check_claims(claims, signer, now)
        return Principal(signer.kind, signer.subject_urn, signer.unit, fingerprint), expires

    def check(self, who: Principal) -> None:
        """Raise `NotSignedIn` if the certificate somebody once showed counts no more."""
        try:
            self.signer(who.fingerprint, self._clock.now())
        except (CryptoError, Refused) as exc:
            raise NotSignedIn(f"this key counts no more: {exc}") from exc

    def signer(self, fingerprint: str, now: datetime) -> VerifiedSigner:
        """Return the holder of a certificate known to this node. Raises `Refused`, `CryptoError`."""
        if self._is_ordered(fingerprint):
            raise Refused("revoked", "the office has recorded that this key is lost or no longer used; enrol again")
        if self._directory.leaf(self._home_database, fingerprint) is not None:
            return self._directory.verify(self._home_database, fingerprint, now)
        database = self._model.queries.database_of_certificate(fingerprint)
        if database is not None:
            return self._directory.verify(database, fingerprint, now)
        return self._peers.verify(fingerprint, now)

    def _check_claims(self, claims: Any, signer: VerifiedSigner, now: datetime) -> int:
        """Return when a token expires, in Unix seconds."""
        if not isinstance(claims, dict):
            raise NotSignedIn("a token's payload is an object")
        issued, expires = claims.get("iat"), claims.get("exp")
        if type(issued) is not int or type(expires) is not int:
            raise NotSignedIn('"iat" and "exp" are whole seconds since 1970')
        if claims.get("iss") != signer.subject_urn:
            raise NotSignedIn(f"the token is from {str(claims.get('iss'))[:80]!a}, its signer {signer.subject_urn}")
        if claims.get("aud") != self._audience:
            raise NotSignedIn(f"the token is for {str(claims.get('aud'))[:80]!a}, this node is {self._audience}")
        if not 0 < expires - issued <= LONGEST_LIFE_S:
            raise NotSignedIn(f"a token lasts at most {LONGEST_LIFE_S} seconds, this one {expires - issued}")
        seconds = int(now.timestamp())
        hint = f"this node's clock says {format_datetime(now.astimezone(UTC), usegmt=True)}; make the token by it"
        if abs(seconds - issued) > CLOCK_SKEW_S:
            raise NotSignedIn(f"the token's clock is {issued - seconds:+d} s from ours; {hint}")
        if seconds > expires:
            raise NotSignedIn(f"the token expired {seconds - expires} s ago; {hint}")
        return expires


def _fingerprint(token: str) -> str:
    """Return the thumbprint in a token's header, which is not verified yet. Raises `Malformed`."""
    if len(token) > MAX_CHARS:
        raise Malformed(f"a token of {len(token)} characters, at most {MAX_CHARS} are read")
    header = strictjson.parse(base64url.decode(token.partition(".")[0]), max_bytes=MAX_CHARS, max_depth=3)
    fingerprint = header.get("x5t#S256") if isinstance(header, dict) else None
    if not isinstance(fingerprint, str) or len(base64url.decode(fingerprint)) != 32:
        raise Malformed('the header names the certificate in "x5t#S256"')
    return fingerprint
