"""Ten homes of one province: made once with their keys, certificates and people, copied for every run.

H41 ── H41.12 ── H41.12.03, H41.12.04, H41.12.05
    ├─ H41.13 ── H41.13.01, H41.13.02 ── H41.13.02.01   (a post below a commune: four tiers)
    └─ H41.20                                           (a commune with no district above it)
"""

from __future__ import annotations

import random
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from crypto import jws, keys
from crypto.keys import PrivateKey
from replication.document import Doc
from server.bundles import ensure_published
from server.dossier import units
from server.dossier.documents import event_doc
from server.home import Engine, Home, Settings
from server.node.assembly import Node
from server.pki.authority import Authority, found_root, install, new_subject_id

ROOT = "H41"
UNITS = (
    ROOT,
    "H41.12",
    "H41.13",
    "H41.12.03",
    "H41.12.04",
    "H41.12.05",
    "H41.13.01",
    "H41.13.02",
    "H41.13.02.01",
    "H41.20",
)
BASE = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


def parent_of(unit: str) -> str | None:
    """Return the nearest unit above that has a node."""
    return next((above for above in units.path_of(unit)[1:] if above in UNITS), None)


@dataclass(frozen=True)
class Person:
    """Somebody with a key and a certificate of their unit."""

    urn: str
    key: PrivateKey
    certificate: Any

    def sign(self, event: dict[str, Any], at: datetime) -> Doc:
        """Return the document of a signed event."""
        return event_doc(jws.sign_event(event, key=self.key, certificate=self.certificate, iat=int(at.timestamp())))


@dataclass(frozen=True)
class Town:
    """The homes as they were founded, and who works and lives there."""

    folder: Path
    officials: dict[str, Person]
    citizens: dict[str, Person]

    def copy(self, folder: Path) -> dict[str, Home]:
        """Return fresh homes of every unit."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return {unit: Home.open(folder / units.dashed(unit)) for unit in UNITS}


def found_town(folder: Path) -> Town:
    """Make the homes: each CA signed by the one above, an official and a citizen in each."""
    authorities: dict[str, Authority] = {}
    officials: dict[str, Person] = {}
    citizens: dict[str, Person] = {}
    for unit in UNITS:
        home = Home.create(
            folder / units.dashed(unit), Settings(unit, f"Đơn vị {unit}", Engine(), None, BASE.isoformat())
        )
        authorities[unit] = _certify(home, authorities)
        node = Node(home, now=lambda: BASE)
        officials[unit] = _enrol(node, authorities[unit])
        citizens[unit] = _enrol(node, authorities[unit])
        node.people.grant(officials[unit].urn, f"Cán bộ {unit}", "official")
        ensure_published(node)
        node.stop()
    return Town(folder, officials, citizens)


@contextmanager
def seeded(seed: int) -> Iterator[random.Random]:
    """Draw every nonce and name of the nodes from one seed, so that a run can be repeated."""
    dice = random.Random(seed)
    with (
        patch.object(secrets, "token_bytes", lambda size=32: dice.randbytes(size)),
        patch.object(secrets, "token_hex", lambda size=32: dice.randbytes(size).hex()),
    ):
        yield dice


def _certify(home: Home, authorities: dict[str, Authority]) -> Authority:
    above = parent_of(home.unit)
    if above is None:
        return found_root(home, BASE, keys.generate_p256())
    key = keys.generate_p256()
    home.write_ca_key(key)
    certificate = authorities[above].issue_unit(key.public_key(), unit=home.unit, now=BASE)
    return install(home, [certificate, *authorities[above].chain], BASE)


def _enrol(node: Node, authority: Authority) -> Person:
    key, subject = keys.generate_p256(), new_subject_id()
    certificate = authority.issue_person(key.public_key(), subject_id=subject, now=BASE)
    node.copier.ensure_certificate(node.database, certificate)
    return Person(f"urn:tram:subject:{subject}", key, certificate)
