"""Two links between the same two nodes: the upper one's stands back while the lower one's carries."""

from __future__ import annotations

import random
import threading

import pytest

from server.links.neighbours import Neighbour
from server.links.presence import Presence

JPEG = b"\xff\xd8\xff\xe0" + random.Random(114).randbytes(300_000)


@pytest.fixture
def two(make_homes, serve, helpers):
    """A district and a commune, each with a link to the other, the commune's at work first."""
    homes = make_homes("H41", "H41.12", "H41.12.03")
    district, district_url = serve(homes["H41.12"], sync=True)
    commune, commune_url = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", district_url, "parent"))
    helpers.wait_until(lambda: district.presence.is_at_work(commune.unit))
    district.links.put(Neighbour("xa", commune_url, "child"))
    helpers.wait_until(lambda: _link(district).stands_back)
    return district, commune, commune_url


def _link(node):
    return node.sync.status()[0]


def _file(commune, url, key_pool, helpers):
    from server.pki.authority import Authority

    person = helpers.issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, person.certificate)
    citizen = helpers.Client(url, commune.signer.urn, person)
    event = helpers.submission(commune.unit, person, files=[citizen.put_file(JPEG)])
    assert citizen.post("/api/events", person.envelope(event)).status_code == 201
    return event["stream"]


def _is_whole(node, stream):
    row = node.model.queries.dossier(stream)
    return row is not None and row.received and row.files_here == row.files_total == 1


def test_what_one_link_brings_the_other_does_not_carry_again(two, key_pool, helpers):
    """The file travels up once: the district's own link stays below what one meeting costs, and says it is well."""
    district, commune, url = two
    stream = _file(commune, url, key_pool, helpers)

    helpers.wait_until(lambda: _is_whole(district, stream))
    helpers.wait_until(lambda: _link(commune).used_today > len(JPEG))  # counted a moment after it went
    helpers.wait_until(lambda: _link(district).state == "aside" and _link(district).last_error is None)
    assert _link(district).used_today < 20_000 < len(JPEG)


def test_the_upper_link_carries_when_the_lower_one_has_ended(two, key_pool, helpers, monkeypatch):
    """A commune whose link is paused is pulled from as if it had none."""
    district, commune, url = two
    commune.links.set_paused("parent", True)
    helpers.wait_until(lambda: _link(commune).state == "paused" and not commune.sync._running)
    monkeypatch.setattr("server.links.presence.PRESENT_S", 3.0)
    stream = _file(commune, url, key_pool, helpers)

    helpers.wait_until(lambda: _is_whole(district, stream))
    assert not _link(district).stands_back
    helpers.wait_until(lambda: _link(district).used_today > len(JPEG))


def test_the_lower_link_never_stands_back(two, helpers):
    """Only one of the two may, else nothing would travel: the one to a child does."""
    district, commune, _ = two
    commune.presence.note(district.unit)

    assert not _link(commune).stands_back
    helpers.wait_until(lambda: _link(commune).running)


def test_a_paused_link_is_at_work_until_it_has_ended(make_homes, serve, helpers, monkeypatch):
    """Whoever waits for it to stand still must not be told so while it may still carry."""
    homes = make_homes("H41", "H41.12", "H41.12.03")
    _, url = serve(homes["H41.12"])
    commune, _ = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", url, "parent"))
    helpers.wait_until(lambda: _link(commune).running)
    link, asked, may_end = commune.sync._running["parent"], threading.Event(), threading.Event()
    stop = link.stop
    monkeypatch.setattr(link, "stop", lambda: (asked.set(), may_end.wait(90), stop()))

    commune.links.set_paused("parent", True)
    assert asked.wait(90)
    assert _link(commune).running
    may_end.set()

    helpers.wait_until(lambda: not _link(commune).running)
    assert not link.is_running


def test_who_has_not_asked_for_long_is_not_at_work():
    """Presence lasts longer than a quiet link's silence of 70 s, and no longer than two minutes."""
    now = [0.0]
    presence = Presence(lambda: now[0])
    presence.note("H41.12.03")

    now[0] = 71.0
    assert presence.is_at_work("H41.12.03")
    now[0] = 120.0
    assert not presence.is_at_work("H41.12.03")
    assert not presence.is_at_work("H41.12")
