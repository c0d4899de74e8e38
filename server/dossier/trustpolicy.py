"""The trust policy as data (`policy.trust`): which algorithms and anchors count, for which events, from when to when.

    {"from": "2026-01-01T00:00:00Z",
     "algorithms": [{"alg": "ES256", "from": "2026-01-01T00:00:00Z"},
                    {"alg": "RS256", "from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}],
     "anchors": [{"name": "…", "kind": "own", "types": ["*"], "legal": false, "basis": "", "from": "…"},
                 {"name": "…", "kind": "public", "certificate": "<base64 DER>", "types": ["dossier.resolved"],
                  "legal": true, "basis": "Luật 20/2023/QH15, Điều 22", "from": "…", "until": "…"}]}

and, where time-stamps (RFC 3161) are to prove times, `"tsa"`: the authorities whose tokens count, within their dates:

    "tsa": [{"name": "…", "certificate": "<base64 DER of its root>", "chain": ["<base64 DER>"], "from": "…"}]

`own` stands for the roots a node trusts already and carries no certificate; it makes the technical seal and can claim
no
legal weight. Of an anchor that claims it the policy says on what ground (`basis`), in the words people are shown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from cryptography import x509

from crypto.certificates import parse_certificate
from crypto.errors import CryptoError
from server.dossier.checks import Check, Wrong, flag, line, listing, matching, members, one_of, text, time
from server.dossier.times import parse_time

Kind = Literal["own", "public", "government"]

MAX_ANCHORS: Final = 16  # of 2 KB each: the event stays under its 48 KiB
MAX_ALGORITHMS: Final = 8
MAX_TIME_AUTHORITIES: Final = 4
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant until (not including) another; None for no end."""

    begins: datetime
    ends: datetime | None

    def holds(self, at: datetime) -> bool:
        """Say whether `at` lies in it."""
        return self.begins <= at and (self.ends is None or at < self.ends)


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor. `certificate` is None for `own`; `basis` is the ground of the legal weight, "" where it claims
    none."""

    name: str
    kind: Kind
    types: frozenset[str]
    legal: bool
    basis: str
    span: Span
    certificate: x509.Certificate | None

    def counts_for(self, type: str, at: datetime) -> bool:
        """Say whether signatures under this anchor count for events of `type` at `at`."""
        return self.span.holds(at) and (_ANY in self.types or type in self.types)


@dataclass(frozen=True, slots=True)
class TimeAuthority:
    """A time-stamp authority: its self-signed root, and what lies between that and the certificate in its tokens."""

    name: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A policy in force from `begins`."""

    begins: datetime
    algorithms: tuple[tuple[str, Span], ...]
    anchors: tuple[Anchor, ...]
    time_authorities: tuple[TimeAuthority, ...] = ()

    def algorithms_at(self, at: datetime) -> frozenset[str]:
        """Return the names of the algorithms that are allowed at `at`."""
        return frozenset(alg for alg, span in self.algorithms if span.holds(at))

    def anchors_for(self, type: str, at: datetime) -> tuple[Anchor, ...]:
        """Return the anchors under which events of `type` may be signed at `at`."""
        return tuple(each for each in self.anchors if each.counts_for(type, at))


def parse_policy(body: Mapping[str, Any]) -> TrustPolicy:
    """Return the policy in the body of a `policy.trust` event, which has passed `check`."""
    algorithms = tuple((str(each["alg"]), _span(each)) for each in body["algorithms"])
    authorities = tuple(map(_time_authority, body.get("tsa", ())))
    return TrustPolicy(parse_time(body["from"]), algorithms, tuple(map(_anchor, body["anchors"])), authorities)


def _time_authority(value: Mapping[str, Any]) -> TimeAuthority:
    certificate, *chain = (
        parse_certificate(base64.b64decode(each)) for each in (value["certificate"], *value.get("chain", ()))
    )
    return TimeAuthority(value["name"], certificate, tuple(chain), _span(value))


def _anchor(value: Mapping[str, Any]) -> Anchor:
    der = value.get("certificate")
    return Anchor(
        name=value["name"],
        kind=value["kind"],
        types=frozenset(value["types"]),
        legal=value["legal"],
        basis=value["basis"],
        span=_span(value),
        certificate=None if der is None else parse_certificate(base64.b64decode(der)),
    )


def _span(value: Mapping[str, Any]) -> Span:
    return Span(parse_time(value["from"]), parse_time(value["until"]) if "until" in value else None)


def _certificate(value: Any) -> None:
    if not isinstance(value, str):
        raise Wrong("expected the base64 of a certificate's DER")
    try:
        certificate = parse_certificate(base64.b64decode(value, validate=True))
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (CryptoError, binascii.Error, ValueError, x509.ExtensionNotFound) as exc:
        raise Wrong(f"not the certificate of a CA: {exc}") from exc
    if not constraints.ca:
        raise Wrong("an anchor is the certificate of a CA, this one may not issue any")


_members: Final[Check] = members(
    {
        "from": time,
        "algorithms": listing(
            members({"alg": one_of("ES256", "PS256", "RS256"), "from": time}, {"until": time}),
            MAX_ALGORITHMS,
            least=1,
        ),
        "anchors": listing(
            members(
                {
                    "name": line(200),
                    "kind": one_of("own", "public", "government"),
                    "types": listing(matching(r"\*|[a-z]+\.[a-z_]+", 'an event type, or "*"'), 64, least=1),
                    "legal": flag,
                    "basis": text(300, single_line=True, empty=True),
                    "from": time,
                },
                {"certificate": _certificate, "until": time},
            ),
            MAX_ANCHORS,
            least=1,
        ),
    },
    {
        "tsa": listing(
            members(
                {"name": line(200), "certificate": _certificate, "from": time},
                {"chain": listing(_certificate, 4), "until": time},
            ),
            MAX_TIME_AUTHORITIES,
        )
    },
)


def check(body: Any) -> None:
    """Raise `Wrong` unless `body` is a policy. Beyond the form: `own` has no certificate and no legal weight, any other
    anchor has a certificate, and whoever claims legal weight says on what ground."""
    _members(body)
    for i, each in enumerate(body["anchors"]):
        place = f"anchors[{i}]"
        if (each["kind"] == "own") is ("certificate" in each):
            raise Wrong('an "own" anchor carries no certificate, any other carries one').inside(place)
        if each["legal"] and each["kind"] == "own":
            raise Wrong("our own seal is technical; it claims no legal weight").inside(place)
        if each["legal"] and not each["basis"].strip():
            raise Wrong('legal weight needs its ground in "basis", such as "Luật 20/2023/QH15, Điều 22"').inside(place)
    for i, each in enumerate(body.get("tsa", ())):
        root = parse_certificate(base64.b64decode(each["certificate"]))
        if root.issuer != root.subject:
            reason = 'a time-stamp authority is named by its self-signed root; what lies between goes in "chain"'
            raise Wrong(reason).inside(f"tsa[{i}]")
