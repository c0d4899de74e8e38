"""Two running nodes and a link with rules: what is held back, what is counted, what goes on."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from replication.replicator import JobState
from server.links.allowance import ClassRule, Kind, LinkRules
from server.links.neighbours import Neighbour

JPEG = b"\xff\xd8\xff\xe0" + random.Random(41).randbytes(76_800)
NO_FILES = LinkRules(files=ClassRule(daily=0), previews=ClassRule(daily=0))


@pytest.fixture
def pair(make_homes, serve):
    """A district and a commune whose link to it is at work."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, commune_url = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", url, "parent"))
    return district, commune, commune_url


def _set(node, rules):
    node.links.set_rules("parent", rules, by="test", at=datetime.now(UTC))


def _file_dossier(commune, url, helpers, key):
    from server.pki.authority import Authority

    person = helpers.issue_person(Authority.open(commune.home), key)
    commune.copier.ensure_certificate(commune.database, person.certificate)
    client = helpers.Client(url, commune.signer.urn, person)
    event = helpers.submission(commune.unit, person, files=[client.put_file(JPEG)])
    assert client.post("/api/events", person.envelope(event)).status_code == 201
    return event["stream"]


def test_files_wait_for_their_rule_while_the_dossier_itself_arrives(pair, key_pool, helpers):
    """The district has the dossier and its receipt, the photograph is held and told so; without the rule it comes."""
    district, commune, url = pair
    _set(commune, NO_FILES)
    stream = _file_dossier(commune, url, helpers, key_pool())

    def line():
        return district.model.queries.dossier(stream)

    helpers.wait_until(lambda: line() is not None and line().received)

    def is_held():
        status = commune.sync.status()[0]
        files = next(each for each in status.kinds if each.kind is Kind.FILES)
        told = status.state == "held" and files.queued_docs > 0 and not files.verdict.open
        return told and any(each.state is JobState.HELD for each in status.progress)

    helpers.wait_until(is_held)
    assert (line().files_here, line().files_total) == (0, 1)

    _set(commune, LinkRules())
    helpers.wait_until(lambda: line().files_here == 1)
    helpers.wait_until(lambda: commune.sync.status()[0].used_today > len(JPEG) // 2)  # counted a moment after it went


def test_the_count_is_what_the_sockets_carried(pair, key_pool, helpers):
    """Meeting, notes and waiting count as well: every byte on the sockets of the link is in the day's count."""
    _, commune, url = pair
    stream = _file_dossier(commune, url, helpers, key_pool())
    district = pair[0]
    helpers.wait_until(lambda: (row := district.model.queries.dossier(stream)) and row.files_here == 1)
    link = commune.sync._running["parent"]
    commune.sync.stop()

    traffic = link._meeting.traffic
    assert sum(link.spending.today().values()) == traffic.bytes_out + traffic.bytes_in
    assert link.spending.today()[Kind.FILES] > len(JPEG) // 2
    assert link.spending.today()[Kind.EVENTS] > 1000


def test_asking_for_it_now_goes_beyond_the_rules_and_counts(make_homes, serve, make_node, key_pool, helpers):
    """`tram sync --once` carries what hours and limits hold back; the day's count knows."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, commune_url = serve(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    _set(commune, NO_FILES)
    stream = _file_dossier(commune, commune_url, helpers, key_pool())

    commune.sync.run_once("parent")

    district.model.follower.catch_up()
    assert district.model.queries.dossier(stream).files_here == 1
    assert commune.sync.status()[0].used_today > len(JPEG) // 2
