"""Problems of a signature are told with the draft, before it is made."""

from __future__ import annotations

from datetime import timedelta

from server.trust.signing import signing_doubts


def _drafted(office, stream):
    fields = {"type": "dossier.commented", "fields": {"text": "đã xem"}}
    answer = office.official.post(f"/api/dossiers/{stream}/drafts", fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["warnings"]


def test_a_draft_says_what_will_be_doubtful_and_nothing_otherwise(office):
    """No approval on record: told in Vietnamese with the draft; once it is there, the draft is silent."""
    stream = office.file()

    before = _drafted(office, stream)
    office.record(office.official, office.citizen)
    after = _drafted(office, stream)

    assert [each["vi"].startswith("Chứng thư của anh/chị chưa có") for each in before] == [True]
    assert after == []


def test_an_ending_certificate_and_a_lapsed_list_are_told_in_time(office):
    """Thirty days before the end, and as long as trust is provisional."""
    office.record(office.official)
    node, person = office.node, office.official.person
    ends = person.certificate.not_valid_after_utc

    def doubts(at):
        found = signing_doubts(
            node.directory,
            node.trust,
            node.issuance,
            database=node.database,
            fingerprint=person.fingerprint,
            at=at,
        )
        return " ".join(each.en for each in found)

    assert doubts(node.clock.now()) == ""
    assert "Your certificate ends on" in doubts(ends - timedelta(days=29))
    assert "provisional" in doubts(node.clock.now() + timedelta(days=60))
