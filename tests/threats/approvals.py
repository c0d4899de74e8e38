"""A stranger's request for a certificate, and an official's word for it that is dated back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crypto import jcs, jws, keys
from crypto.keys import PrivateKey
from server.dossier.event import build_event
from server.dossier.times import format_time
from server.enrolment.request import REQUEST_TYPE


def ask_and_approve(node: Any, official: Any, key: PrivateKey, at: datetime) -> tuple[str, dict[str, Any]]:
    """Let a stranger with `key` ask at the node; return the request's thumbprint and the approval, not yet signed."""
    claims = {"name": "Người Lạ", "kind": "citizen", "iat": int(at.timestamp()), "nonce": "A" * 22}
    header = {"typ": REQUEST_TYPE, "jwk": keys.public_to_jwk(key.public_key())}
    thumbprint = node.people.ask(jws.sign_compact(jcs.canonical(claims), key=key, header=header)).thumbprint
    event = build_event(
        stream="unit.h41-12-03",
        type="enrol.approved",
        unit=node.unit,
        actor=official.urn,
        at=format_time(at),
        nonce=b"a" * 16,
        body={
            "subject": f"urn:tram:subject:{'e' * 32}",
            "name": "Người Lạ",
            "thumbprint": thumbprint,
            "kind": "citizen",
        },
    )
    return thumbprint, event
