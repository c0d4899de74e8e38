"""Nodes with logs, and events by the dozen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from replication.document import Doc
from server.intake.source import Source
from server.links.neighbours import Neighbour
from tests.server.log.carrying import meet_parent


@pytest.fixture
def take(helpers: Any, key_pool: Any) -> Callable[..., list[Doc]]:
    """Let somebody enrolled at a node file `count` dossiers there; returns the documents, admitted in one batch."""
    from server.pki.authority import Authority

    def admit(node: Any, count: int = 1, database: str = "") -> list[Doc]:
        person = helpers.issue_person(Authority.open(node.home), key_pool())
        node.copier.ensure_certificate(node.database, person.certificate)
        docs = [person.sign(helpers.submission(node.unit, person)) for _ in range(count)]
        results = node.intake.admit(database or node.database, docs, source=Source("peer", "test"))
        assert [each.error for each in results] == [None] * count
        return docs

    return admit


@pytest.fixture
def cosigned(make_homes: Any, make_node: Any, serve: Any, take: Any) -> Any:
    """A district that runs, and a commune linked to it with three events whose log the district has cosigned. Returns
    (district, address of the district, commune)."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune = make_node(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    take(commune, 3)
    meet_parent(commune)
    return district, url, commune


@pytest.fixture
def tiers(make_homes: Any, make_node: Any) -> Any:
    """A commune and its district; the commune's clock can be set."""
    homes = make_homes()
    now = [datetime.now(UTC).replace(microsecond=0)]
    return make_node(homes["H41.12.03"], now=lambda: now[0]), make_node(homes["H41.12"]), now
