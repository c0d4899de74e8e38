"""Nodes with logs, and events by the dozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from replication.document import Doc
from server.intake.source import Source


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
