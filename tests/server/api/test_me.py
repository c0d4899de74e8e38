"""What phones ask about themselves, and what a revoked key is told."""

from __future__ import annotations

from typing import Any


def test_a_phone_learns_its_roles_and_what_will_be_doubted(office: Any, key_pool: Any) -> None:
    """A citizen has none, a helper is one; a certificate that nobody approved on record is named before signing."""
    me = office.citizen.get("/api/me").json()
    assert (me["subject"], me["roles"]) == (office.citizen.person.urn, [])
    assert any("phê duyệt" in each["vi"] for each in me["warnings"])

    office.record(office.citizen)
    office.node.model.follower.catch_up()
    assert not any("phê duyệt" in each["vi"] for each in office.citizen.get("/api/me").json()["warnings"])
    assert office.enrol(key_pool(), "helper").get("/api/me").json()["roles"] == ["helper"]
    assert office.nobody.get("/api/me").status_code == 401


def test_a_revoked_key_is_told_apart_from_a_clock_that_is_wrong(office: Any) -> None:
    """By the word: a phone can mend its clock, and not a revocation."""
    office.node.people.revoke_certificates(office.citizen.person.urn)

    answer = office.citizen.get("/api/me")

    assert (answer.status_code, answer.json()["error"]) == (401, "revoked")
    token = office.official.person.token(office.official.audience, iat=1, exp=301)
    wrong = office.nobody.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "unauthorized")
