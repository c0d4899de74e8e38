"""Which erasures count: two voices, one of them a leader's, over exactly what they name."""

from __future__ import annotations

from datetime import date

import pytest

from server.dossier.erasing import settle_erasures
from server.dossier.event import EventId, StoredEvent, build_event, event_id, parse_event
from server.dossier.granting import FOREVER, Grant
from server.dossier.proofs import Evidence
from server.dossier.retention import find_rule, parse_rules
from server.dossier.roles import Grants
from server.errors import Refused

UNIT, STREAM = "H41.12.03", "unit.h41-12-03"
DOSSIER = "01937c2e-5a10-7b3c-9d1e-0123456789ab"
NAMES = ("sha256-" + "A" * 43, "sha256-" + "E" * 42 + "A")
CLERK, ADA, BE = (f"urn:tram:subject:{digit * 32}" for digit in "123")
COMMUNE, DISTRICT, OTHER = "urn:tram:node:h41-12-03", "urn:tram:node:h41-12", "urn:tram:node:h41-13"


def stored(type, actor, body, at="2046-01-02T00:00:00Z"):
    event = build_event(stream=STREAM, type=type, unit=UNIT, actor=actor, at=at, nonce=b"n" * 16, body=body)
    return StoredEvent(EventId(event_id(event)), parse_event(event))


def proposed(actor, **changes):
    body = {"dossier": DOSSIER, "basis": "Quyết định 12", "rule": "20 năm", "ended": "2046-01-01T00:00:00Z"}
    return stored("erasure.proposed", actor, body | {"events": [NAMES[0]], "files": [NAMES[1]]} | changes)


def confirmed(actor, of):
    return stored("erasure.confirmed", actor, {"of": of.id})


def grants(*leaders):
    begins = "2020-01-01T00:00:00Z"
    return Grants({each: (Grant(UNIT, each, "leader", begins, FOREVER, "X", "sha256-x"),) for each in leaders})


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (ADA, BE, True),
        (ADA, COMMUNE, True),
        (DISTRICT, ADA, True),
        (ADA, ADA, False),
        (COMMUNE, DISTRICT, False),
        (ADA, CLERK, False),
        (ADA, OTHER, False),
    ],
)
def test_an_erasure_takes_two_voices_one_of_them_a_leader(first, second, counts):
    """Nobody alone, no two consoles, nobody without the right and no node beside the path."""
    proposal = proposed(first)
    [found] = settle_erasures([confirmed(second, proposal), proposal], grants(ADA, BE))
    assert bool(found.confirmed) is counts
    assert found.documents == (f"{DOSSIER}:{NAMES[0]}",)


def test_what_somebody_without_the_right_proposes_is_no_proposal():
    """Even where two leaders confirm it."""
    proposal = proposed(CLERK)
    assert settle_erasures([proposal, confirmed(ADA, proposal)], grants(ADA, BE)) == ()


def test_only_nodes_of_the_path_acknowledge_and_each_counts_once():
    """A person's word, or that of a node elsewhere, is no acknowledgement."""
    proposal = proposed(ADA)
    body = {"of": proposal.id, "events": 1, "files": 1, "chunks": 2}
    done = [stored("erasure.done", actor, body) for actor in (COMMUNE, DISTRICT, OTHER, ADA)]
    again = stored("erasure.done", COMMUNE, body | {"events": 0}, at="2046-01-03T00:00:00Z")
    [found] = settle_erasures([again, *done, proposal, confirmed(BE, proposal)], grants(ADA, BE))
    assert {(each.node, each.events) for each in found.done} == {(COMMUNE, 1), (DISTRICT, 1)}


def test_twice_as_many_erasures_are_twice_the_work():
    """An office erases hundreds of dossiers a year, and what came of them is asked by every page and every phone."""

    class Counted(Evidence):
        asked = 0

        def proven_at(self, event):
            Counted.asked += 1
            return super().proven_at(event)

    def questions(count):
        events, Counted.asked = [], 0
        for number in range(count):
            proposal = proposed(ADA, dossier=f"{DOSSIER[:-6]}{number:06d}")
            done = stored("erasure.done", COMMUNE, {"of": proposal.id, "events": 1, "files": 1, "chunks": 2})
            events += [proposal, confirmed(BE, proposal), done]
        found = settle_erasures(events, grants(ADA, BE), Counted())
        assert sum(each.is_executed for each in found) == count
        return Counted.asked

    assert questions(80) < 2.1 * questions(40)


def test_a_period_counts_from_the_end_of_the_year_and_the_newest_own_rule_wins():
    """Never shorter than from the day itself; a rule for all gives way; outside its dates a rule says nothing."""
    rules = parse_rules(
        {
            "rules": [
                {"procedure": "*", "years": 5, "from": "2020-01-01", "source": "bảng chung", "mark": "V"},
                {"procedure": "1.001193", "years": 20, "from": "2022-01-01", "source": "bảng cũ", "mark": "C"},
                {"procedure": "1.001193", "years": None, "from": "2026-01-01", "source": "bảng mới", "mark": "V"},
            ]
        }
    )
    assert find_rule(rules, "1.001193", date(2025, 3, 4)).ends(date(2025, 3, 4)) == date(2046, 1, 1)
    assert find_rule(rules, "1.001193", date(2026, 3, 4)).ends(date(2026, 3, 4)) is None
    assert find_rule(rules, "2.000635", date(2025, 12, 31)).ends(date(2025, 12, 31)) == date(2031, 1, 1)
    assert find_rule(rules, "2.000635", date(2019, 12, 31)) is None


def test_a_rule_without_a_source_or_with_a_wrong_date_is_refused_by_its_place():
    """Nobody is to guess where a period came from."""
    rule = {"procedure": "*", "years": 5, "from": "2020-01-01", "source": "x", "mark": "V"}
    for change in ({"years": 0}, {"mark": "?"}, {"from": "2020-02-31"}, {"procedure": "all"}):
        with pytest.raises(Refused, match="retention rules"):
            parse_rules({"rules": [rule | change]})
    with pytest.raises(Refused, match="source"):
        parse_rules({"rules": [{name: rule[name] for name in rule if name != "source"}]})
