"""The node's own signature: receipts, grants, descriptions of units, what it publishes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from crypto import jcs, jws
from crypto.certificates import fingerprint_of
from crypto.keys import PrivateKey
from replication.document import Doc
from server.dossier import units
from server.dossier.documents import event_doc
from server.dossier.event import build_event
from server.dossier.times import format_time
from server.errors import NotReady, ServerError
from server.home import Home
from server.log.receipt import CitizenReceipt, build_receipt
from server.pki.authority import renew_node

_LOG = logging.getLogger(__name__)

TOKEN_TYPE = "tram-token+jwt"  # noqa: S105 - a media type, not a secret
TOKEN_LIFE_S = 300


class NodeSigner:
    """The node of one unit as an author."""

    def __init__(self, unit: str, key: PrivateKey, certificate: x509.Certificate) -> None:
        self.unit = unit
        self.urn = units.node_urn(unit)
        self.certificate = certificate
        self.fingerprint = fingerprint_of(certificate)
        self.public_key = key.public_key()
        self._key = key

    @classmethod
    def of(cls, home: Home) -> NodeSigner:
        """Return the signer of a home. Raises `NotReady` while the unit above has not signed its CA."""
        certificate = home.node_certificate()
        if certificate is None:
            raise NotReady(f"{home.unit} has no certificate yet; see: tram ca request, sign, install")
        return cls(home.unit, home.node_key(), certificate)

    def sign(
        self,
        *,
        stream: str,
        type: str,
        at: datetime,
        unit: str | None = None,
        prev: Sequence[str] = (),
        body: Mapping[str, Any],
    ) -> Doc:
        """Return the document of a new event by this node, about `unit` (its own by default).

        Raises `Refused` if the body is not what the type demands.
        """
        event = build_event(
            stream=stream,
            type=type,
            unit=unit or self.unit,
            actor=self.urn,
            at=format_time(at),
            nonce=secrets.token_bytes(16),
            prev=prev,
            body=body,
        )
        return event_doc(jws.sign_event(event, key=self._key, certificate=self.certificate, iat=int(at.timestamp())))

    def sign_receipt(self, receipt: CitizenReceipt) -> bytes:
        """Return a citizen's receipt, signed (COSE_Sign1)."""
        return build_receipt(receipt, key=self._key, fingerprint=self.fingerprint)

    def token(self, audience: str, at: datetime) -> str:
        """Return a bearer token for the node `audience` (a URN), good for five minutes from `at`."""
        issued = int(at.timestamp())
        payload = {"iss": self.urn, "aud": audience, "iat": issued, "exp": issued + TOKEN_LIFE_S}
        header = {"typ": TOKEN_TYPE, "x5t#S256": self.fingerprint}
        return jws.sign_compact(jcs.canonical(payload), key=self._key, header=header)


def open_signer(home: Home, now: datetime) -> NodeSigner:
    """Return the signer of a home, under a new certificate if the one there ends soon. Raises as `NodeSigner.of`.

    Where the CA's key is locked or elsewhere the present certificate serves on, and the journal says so.
    """
    try:
        if renew_node(home, now):
            _LOG.info("the node's certificate was renewed")
    except ServerError as exc:
        _LOG.warning("the node's certificate ends soon and could not be renewed: %s", exc)
    return NodeSigner.of(home)
