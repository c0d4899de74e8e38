"""The trust policy in force at a node, and signatures of other authorities judged by it.

The root publishes the policy as `policy.trust` events in the registry, which reaches every tier; until it has, the
shipped
default counts (`server/data/trust-policy.json`: our own roots, ES256, a technical seal). The newest that has begun
is in force; an older one goes on counting for the time before.

A signature under an anchor outside our tree (a public CA, the Government's) is an ordinary JWS over the event's
canonical
bytes. `verify_statement` says who signed, under which anchor, and what weight the policy gives that; where it gives
none, the answer says technical seal and no more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from crypto import base64url, strictjson
from crypto.algorithms import check_algorithm, verify_signature
from crypto.certificates import MAX_CERTIFICATE_BYTES
from crypto.errors import Malformed, UntrustedChain
from crypto.event import canonical_event, fingerprint_of
from crypto.jws import MAX_HEADER_BYTES
from server.dossier.event import parse_event
from server.dossier.states import Text
from server.dossier.times import parse_time
from server.dossier.trustpolicy import Anchor, TrustPolicy, check, parse_policy
from server.errors import Refused
from server.intake.places import REGISTRY
from server.readmodel.model import ReadModel
from server.trust.foreign import MAX_INTERMEDIATES, ForeignSigner, verify_foreign_chain

STREAM = "policy.trust"
MAX_STATEMENT_BYTES = 256 * 1024

SEAL = Text(
    "Dấu kỹ thuật: chứng minh ai đã ký và nội dung không bị sửa; giá trị pháp lý không được khẳng định.",
    "Technical seal: it proves who signed and that nothing was altered; no legal weight is claimed.",
)


def default_body() -> dict[str, Any]:
    """Return the body of the policy that ships."""
    body: dict[str, Any] = json.loads(files("server.data").joinpath("trust-policy.json").read_text(encoding="utf-8"))
    check(body)
    return body


class Policies:
    """The policies one node knows. `root` is the unit whose node may publish them."""

    def __init__(self, model: ReadModel, root: str) -> None:
        self._model = model
        self._author = root
        self._default = parse_policy(default_body())

    def at(self, at: datetime) -> TrustPolicy:
        """Return the policy in force at an instant: of those the root published the last that had begun, ties by id."""
        found = [
            (parse_policy(held.stored.event.body), parse_time(held.stored.event.at), held.stored.id)
            for held in self._model.events(STREAM, REGISTRY)
            if held.stored.event.type == STREAM and held.stored.event.actor == self._author
        ]
        begun = [each for each in found if each[0].begins <= at]
        return max(begun, key=lambda each: (each[0].begins, each[1], each[2]))[0] if begun else self._default

    def newest(self, now: datetime) -> TrustPolicy:
        """Return the policy in force now, by everything the registry here holds this instant."""
        self._model.follower.catch_up(REGISTRY)
        return self.at(now)


@dataclass(frozen=True, slots=True)
class Statement:
    """A JWS of somebody outside our tree over one of our events. `weight` is the sentence to show beside it."""

    event: Mapping[str, Any]
    signer: ForeignSigner
    anchor: Anchor
    weight: Text


def verify_statement(data: bytes, *, policy: TrustPolicy, at: datetime, crls: Sequence[bytes]) -> Statement:
    """Return what a flattened JWS (RFC 7515 §7.2.2) with `x5c` states, proven for `at` under the policy.

    Its payload is one of our events in canonical form. Order: form, event, algorithm by date, chain under the anchors
    that count for the event's type, revocation, signature. Raises `CryptoError`, `Refused("policy")` where the policy
    has no anchor or algorithm for it, and as `verify_foreign_chain`.
    """
    protected, payload, signature, chain = _parse(data)
    event = strictjson.parse(payload, max_bytes=MAX_STATEMENT_BYTES)
    parsed = parse_event(event)
    if canonical_event(event) != payload:
        raise Malformed("the payload is not in canonical form (RFC 8785)")
    anchors = [each for each in policy.anchors_for(parsed.type, at) if each.certificate is not None]
    if not anchors:
        raise Refused("policy", f"the trust policy has no outside anchor for {parsed.type} at {at:%Y-%m-%d}")
    signer = verify_foreign_chain(
        chain[0], chain[1:], anchors=[each.certificate for each in anchors if each.certificate], at=at, crls=crls
    )
    header = strictjson.parse(base64url.decode(protected), max_bytes=MAX_HEADER_BYTES, max_depth=6)
    if not isinstance(header, dict) or header.keys() & {"crit", "b64"}:
        raise Malformed("the protected header asks for an extension that is not supported here")
    if header.get("x5t#S256", signer.fingerprint) != signer.fingerprint:
        raise UntrustedChain("the header names another certificate than x5c brings", "actor_mismatch")
    allowed = policy.algorithms_at(at)
    if header.get("alg") not in allowed:
        raise Refused("policy", f"the trust policy allows {', '.join(sorted(allowed))} at {at:%Y-%m-%d}")
    alg = check_algorithm(header.get("alg"), signer.public_key, allowed)
    verify_signature(alg, signer.public_key, signature, f"{protected}.{base64url.encode(payload)}".encode("ascii"))
    anchor = next(each for each in anchors if _is(each, signer))
    return Statement(event, signer, anchor, weight_of(anchor))


def weight_of(anchor: Anchor) -> Text:
    """Return the sentence on legal weight: the ground the policy names, or that this is a technical seal."""
    if not anchor.legal:
        return SEAL
    return Text(
        f"Chữ ký theo {anchor.name}. Căn cứ do tỉnh cấu hình: {anchor.basis}.",
        f"Signature under {anchor.name}. Ground configured by the province: {anchor.basis}.",
    )


def _is(anchor: Anchor, signer: ForeignSigner) -> bool:
    return anchor.certificate is not None and fingerprint_of(anchor.certificate) == signer.anchor_fingerprint


def _parse(data: bytes) -> tuple[str, bytes, bytes, list[bytes]]:
    """Return (protected, payload, signature, x5c as DER) of a flattened JWS; nothing is verified yet."""
    fields = strictjson.parse(data, max_bytes=MAX_STATEMENT_BYTES, max_depth=6)
    try:
        protected, header = fields["protected"], fields.get("header", {})
        inside = strictjson.parse(base64url.decode(protected), max_bytes=MAX_HEADER_BYTES, max_depth=6)
        x5c = header.get("x5c") or inside["x5c"]
        if not isinstance(x5c, list) or not 1 <= len(x5c) <= MAX_INTERMEDIATES:
            raise Malformed(f'"x5c" holds 1 to {MAX_INTERMEDIATES} certificates')
        if any(not isinstance(each, str) or len(each) > 2 * MAX_CERTIFICATE_BYTES for each in x5c):
            raise Malformed('"x5c" holds certificates in base64')
        chain = [base64.b64decode(each, validate=True) for each in x5c]
        return protected, base64url.decode(fields["payload"]), base64url.decode(fields["signature"]), chain
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise Malformed(f"not a flattened JWS with x5c: {exc}") from exc


__all__ = ["Policies", "Statement", "default_body", "verify_statement", "weight_of"]
