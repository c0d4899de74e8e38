"""The daily audit of a link between two nodes: when it comes, what it finds, what people are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from server.links.auditing import Auditor
from server.links.neighbours import Neighbour
from server.links.state import LinkState
from server.links.status import parse_audit

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4


@pytest.fixture
def state(commune):
    """The memory of a link."""
    return LinkState(commune.db, "parent")


def test_the_first_audit_is_a_day_after_the_link_first_is_quiet_and_spread(state) -> None:
    """A new link has just compared everything; a province's communes do not ask in step."""
    now = [datetime(2026, 11, 21, 2, 0, tzinfo=UTC)]
    dues = set()
    for luck in (0.0, 0.5, 0.999):
        state.set_facts(audit_due=now[0].isoformat())
        auditor = Auditor(state, lambda: now[0], partial(float, luck))
        assert auditor.tend([])
        auditor.stop()
        dues.add(state.facts()["audit_due"])

    assert len(dues) == 3
    waits = [datetime.fromisoformat(due) - now[0] for due in dues]
    assert all(timedelta(hours=21) < wait < timedelta(hours=27) for wait in waits)
    assert parse_audit(state.facts()).differing == 0


def test_what_was_lost_below_the_checkpoint_is_brought_back_and_told(make_homes, serve, key_pool, helpers):
    """A document that vanished at the district, long acknowledged, is there again after the audit."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, commune_url = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", url, "parent"))
    from server.pki.authority import Authority

    person = helpers.issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, person.certificate)
    client = helpers.Client(commune_url, commune.signer.urn, person)
    event = helpers.submission(commune.unit, person, files=[client.put_file(JPEG)])
    assert client.post("/api/events", person.envelope(event)).status_code == 201

    held = district.store.open

    def ids(node):
        return {row.id for row in node.store.open("u-h41-12-03").changes().rows}

    def quiet():  # idle, and the receipt and the log's pages have come as well
        there = ids(district)
        idle = commune.sync.status() and commune.sync.status()[0].state == "idle"
        return there if idle and there == ids(commune) else None

    helpers.wait_until(lambda: district.model.queries.dossier(event["stream"]) is not None)
    before = helpers.wait_until(quiet)
    row = next(row for row in held("u-h41-12-03").changes().rows if row.id.startswith(event["stream"]))
    held("u-h41-12-03").purge({row.id: row.leaves})

    link = commune.sync._running["parent"]
    link.state.set_facts(audit_due=datetime.now(UTC).isoformat())
    audit = helpers.wait_until(lambda: commune.sync.status()[0].audit)

    assert audit.mended
    later = ids(commune) | ids(district)  # beside what was lost a cosignature may just be on its way
    assert 1 <= audit.differing <= 1 + len(later - before)
    assert held("u-h41-12-03").get(row.id).id == row.id
    helpers.wait_until(lambda: commune.quarantine.count() == district.quarantine.count() == 0)
