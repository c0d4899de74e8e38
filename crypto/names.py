"""How units, people and nodes are named inside certificates.

    unit  H41.12.03         DNS 03.12.h41.tram.internal        as deep as the administration is, two tiers or five
    node of that unit       DNS 03.12.h41.tram.internal        URI urn:tram:node:h41-12-03
    log of that unit        DNS 03.12.h41.tram.internal        URI urn:tram:log:h41-12-03
    a person or device      DNS <id>.03.12.h41.tram.internal   URI urn:tram:subject:<id>

The DNS names exist only in certificates: X.509 name constraints on dNSName are the ones every validator enforces, so
the branch a CA may certify is a DNS suffix. `internal` is reserved for private use (ICANN, 2024) and never resolves.
An id is a pseudonym, 32 hexadecimal or 26 base32 characters in small letters; nothing personal is in a certificate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from crypto.errors import Malformed

SignerKind = Literal["person", "node"]  # who signs events
Kind = Literal["person", "node", "log"]

BASE = "tram.internal"
MAX_UNIT_LEVELS = 8

_LABEL = r"[a-z0-9]{1,16}"  # so short that no unit looks like an id; no dash, which stands for the dot in URNs
_UNIT = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,{MAX_UNIT_LEVELS - 1}}}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{32}|[a-z2-7]{26}", re.ASCII)
_SUBJECT_URN = "urn:tram:subject:"
_NODE_URN = "urn:tram:node:"
_LOG_URN = "urn:tram:log:"


@dataclass(frozen=True, slots=True)
class LeafNames:
    """What the two names of a leaf say together. `unit` is in capitals; `id` is "" for a node or log."""

    kind: Kind
    unit: str
    id: str


def unit_dns(unit: str) -> str:
    """Return the DNS name of a unit: its code's labels in small letters, the other way round, under `tram.internal`.

    Raises `Malformed` unless the code is one to eight labels of letters and digits, joined by dots.
    """
    lower = unit.lower()
    if not _UNIT.fullmatch(lower) or not unit.isascii():
        raise Malformed(f"a unit code looks like H41.12.03, got {unit[:60]!a}")
    return ".".join([*reversed(lower.split(".")), BASE])


def parse_unit_dns(dns: str) -> str:
    """Return the unit code, in capitals, that `unit_dns` turns into `dns`. Raises `Malformed` for any other name."""
    stem = dns.removesuffix("." + BASE)
    unit = ".".join(reversed(stem.split(".")))
    if stem == dns or not _UNIT.fullmatch(unit):
        raise Malformed(f"not the DNS name of a unit: {dns[:120]!a}")
    return unit.upper()


def person_dns(subject_id: str, unit: str) -> str:
    """Return the DNS name of a person or device enrolled at `unit`."""
    return f"{_checked_id(subject_id)}.{unit_dns(unit)}"


def subject_urn(subject_id: str) -> str:
    """Return `urn:tram:subject:<id>`, what an event of this person or device names as `actor`."""
    return _SUBJECT_URN + _checked_id(subject_id)


def node_urn(unit: str) -> str:
    """Return `urn:tram:node:<unit>`, the unit in small letters with dashes for dots."""
    unit_dns(unit)
    return _NODE_URN + unit.lower().replace(".", "-")


def log_urn(unit: str) -> str:
    """Return `urn:tram:log:<unit>`, what the certificate of the key that signs the unit's log says."""
    return _LOG_URN + node_urn(unit).removeprefix(_NODE_URN)


def parse_leaf_names(dns: str, urn: str) -> LeafNames:
    """Return what the DNS name and the URN of a leaf say, if they say the same. Raises `Malformed`."""
    if urn.startswith(_SUBJECT_URN):
        subject_id = _checked_id(urn.removeprefix(_SUBJECT_URN))
        label, _, rest = dns.partition(".")
        if label != subject_id:
            raise Malformed(f"DNS name {dns[:120]!a} and {urn[:80]!a} name different subjects")
        return LeafNames("person", parse_unit_dns(rest), subject_id)
    unit = parse_unit_dns(dns)
    if urn == log_urn(unit):
        return LeafNames("log", unit, "")
    if urn != node_urn(unit):
        raise Malformed(f"DNS name {dns[:120]!a} does not belong to {urn[:80]!a}")
    return LeafNames("node", unit, "")


def is_within(dns: str, suffix: str) -> bool:
    """Say whether `dns` is `suffix` or lies below it, label by label (RFC 5280 §4.2.1.10)."""
    return dns == suffix or dns.endswith("." + suffix)


def _checked_id(subject_id: str) -> str:
    if not _ID.fullmatch(subject_id):
        raise Malformed(
            f"a subject id is 32 hexadecimal or 26 base32 characters in small letters, got {subject_id[:60]!a}"
        )
    return subject_id
