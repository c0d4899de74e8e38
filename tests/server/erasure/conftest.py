"""A commune and its district, who meet by stick only, with a closed dossier to erase; on either engine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from replication.couch import CouchStore
from replication.store import AllDocsQuery
from server.home import Engine, Home
from tests.server.bundles.conftest import Carrier, carry
from tests.server.conftest import make_homes as plain_homes

__all__ = ["carry", "plain_homes"]

DISTRICT, COMMUNE = "H41.12", "H41.12.03"
COUCHDB = os.environ.get("TRAM_COUCHDB_URL", "").rstrip("/")


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Engine]]:
    """Which engine the homes of a test are on: SQLite, or CouchDB where a test is parametrised so."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield lambda unit: Engine()
        return
    mark, used = f"t{secrets.token_hex(4)}-", list[str]()

    def couchdb(unit: str) -> Engine:
        # Lowest level first: no unit's prefix begins with another's, or one node would see the other's databases.
        used.append(f"{mark}{'-'.join(reversed(unit.lower().split('.')))}-")
        return Engine("couchdb", COUCHDB, used[-1])

    yield couchdb
    for prefix in used:
        with closing(CouchStore(COUCHDB, prefix=prefix)) as store:
            store.remove()


@pytest.fixture
def make_homes(plain_homes: Any, engine: Callable[[str], Engine]) -> Callable[..., dict[str, Home]]:
    """Homes on the engine of the test."""

    def make(*unit_codes: str) -> dict[str, Home]:
        return {
            unit: home.with_settings(replace(home.settings, engine=engine(unit)))
            for unit, home in plain_homes(*unit_codes).items()
        }

    return make


class Offices:
    """The two offices, the closed dossier `stream` at the commune, and what people there do."""

    def __init__(self, made: Carrier) -> None:
        self.made = made
        self.commune, self.district = made.nodes[COMMUNE], made.nodes[DISTRICT]
        self.stream = made.file(COMMUNE, 40_000)
        self.refuse(self.stream)
        made.person(COMMUNE, "leader")

    def act(self, role: str, stream: str, type: str, body: dict[str, Any], prev: Any = None) -> None:
        """Somebody at the commune signs an event."""
        node, person = self.commune, self.made.person(COMMUNE, role)
        heads = node.model.story(stream).dossier.heads if prev is None else prev
        event = self.made.helpers.submission(node.unit, person, stream=stream, type=type, prev=list(heads), body=body)
        self.made.admit(node, node.database, [person.sign(event)])
        node.model.follower.catch_up()

    def refuse(self, stream: str) -> None:
        """Close a dossier."""
        self.act("official", stream, "dossier.refused", {"reason": "Không thuộc thẩm quyền"})

    def propose(self, stream: str = "") -> Any:
        """The node's voice orders a dossier erased; return the erasure, which waits for a leader."""
        node = self.commune
        words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
        node.people.say("erasure.proposed", node.erasures.proposal(stream or self.stream, **words))
        return next(each for each in node.erasures.all() if each.dossier == (stream or self.stream))

    def confirm(self, erasure: Any) -> None:
        """The leader is the second voice."""
        node, stream = self.commune, "unit.h41-12-03"
        heads = node.model.queries.heads(node.database, stream)
        self.act("leader", stream, "erasure.confirmed", {"of": erasure.id}, heads)

    def order(self, stream: str = "") -> Any:
        """Two voices order a dossier erased."""
        erasure = self.propose(stream)
        self.confirm(erasure)
        return erasure


@pytest.fixture
def offices(carry: Callable[..., Carrier]) -> Offices:
    """A commune and its district, the root of this tree, without a link; a closed dossier at the commune."""
    return Offices(carry(DISTRICT, COMMUNE))


def here(node: Any, database: str, ids: Any) -> set[str]:
    """Return those of some documents that a node holds."""
    rows = node.store.open(database).all_docs(AllDocsQuery(keys=tuple(ids))).rows
    return {row.id for row in rows if row.rev is not None and not row.deleted}
