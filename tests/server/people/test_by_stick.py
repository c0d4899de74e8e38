"""Records of lost keys and revocation lists on a stick, between offices without a link."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from server.dossier.event import build_event
from server.dossier.times import format_time
from server.dossier.units import unit_stream
from server.intake.source import Source
from server.verify import verify_path
from tests.server.bundles.conftest import carry

__all__ = ["carry"]

C, D = "H41.12.03", "H41.12"
DATABASE = "u-h41-12-03"


def lost(carrier, person, author, node):
    """An `enrol.revoked` about a person of the commune, as `author` signs it at `node`."""
    body = {
        "subject": person.urn,
        "certificates": [f"sha256-{person.fingerprint}"],
        "how": "stolen",
        "told": "phone",
        "reason": "Bị giật ở chợ",
    }
    event = build_event(
        stream=unit_stream(C),
        type="enrol.revoked",
        unit=C,
        actor=author.urn,
        at=format_time(datetime.now(UTC)),
        nonce=b"l" * 16,
        prev=node.model.queries.heads(DATABASE, unit_stream(C)),
        body=body,
    )
    node.copier.ensure_credentials(DATABASE, author.fingerprint)
    carrier.admit(node, DATABASE, [author.sign(event)])
    node.model.follower.catch_up()


def test_a_list_travels_on_a_stick_and_the_key_opens_nothing_above(carry, helpers):
    """The district has the record and the commune's list; what the old key signs is refused by any road."""
    carrier = carry(*("H41", D, C))
    carrier.meet(C, D)
    stream, person = carrier.file(C), carrier.person(C)
    commune, district = carrier.nodes[C], carrier.nodes[D]
    filed = int(time.time())
    helpers.wait_until(lambda: int(time.time()) > filed)  # times on lists have no parts of seconds
    lost(carrier, person, carrier.person(C, "official"), commune)
    assert commune.revoking.carry_out() == 1

    carrier.send(C, D)
    assert carrier.take(D).problems == []
    district.model.follower.catch_up()

    [order] = district.revoking.of(person.urn)
    assert order.author == carrier.person(C, "official").urn
    assert district.revoking.waits_elsewhere() == ()
    # Filed in the hours that are in doubt, it came behind the list: held for a leader here as at the commune, not lost.
    entries = [node.model.story(stream).dossier.timeline[0] for node in (commune, district)]
    assert [entry.state for entry in entries] == ["held", "held"]
    assert verify_path(district.home.path).problems == []
    event = build_event(
        stream=stream,
        type="dossier.withdrawn",
        unit=C,
        actor=person.urn,
        at=format_time(datetime.now(UTC) + timedelta(seconds=1)),
        nonce=b"w" * 16,
        prev=district.model.story(stream).dossier.heads,
        body={"reason": "Kẻ trộm rút hồ sơ"},
    )
    [result] = district.intake.admit(DATABASE, [person.sign(event)], source=Source("bundle", "usb"))
    assert result.error is not None
    assert result.error.reason.startswith("revoked")


def test_a_record_made_above_waits_there_and_is_carried_out_where_the_key_is(carry):
    """An official of the district takes the call; the commune's CA revokes when the stick has come down, and the list
    goes up again."""
    carrier = carry(*("H41", D, C))
    carrier.meet(C, D)
    carrier.file(C)
    person, commune, district = carrier.person(C), carrier.nodes[C], carrier.nodes[D]
    carrier.send(C, D)
    carrier.take(D)
    lost(carrier, person, carrier.person(D, "official"), district)

    assert district.revoking.is_ordered(person.fingerprint)
    assert [each.subject for each in district.revoking.waits_elsewhere()] == [person.urn]
    carrier.send(D, C)
    carrier.take(C)
    commune.model.follower.catch_up()
    assert commune.revoking.is_ordered(person.fingerprint)
    assert commune.revoking.carry_out() == 1
    carrier.send(C, D)
    carrier.take(D)
    district.model.follower.catch_up()
    assert district.revoking.waits_elsewhere() == ()
