"""What phones ask about themselves, and what the desk says of the log."""

from __future__ import annotations

from typing import Any

from server.desk.translate import time_text

BODY = {
    "procedure": "1.001193",
    "channel": "online",
    "applicant": {"name": "Nguyễn Thị Ánh"},
    "form": {},
    "delivery": "counter",
}


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


def test_the_desk_says_what_the_log_keeps_of_a_filing(office: Any) -> None:
    """Kept; and an alarm for a filing that is here and has no leaf."""
    stream = office.file()
    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies
    page = office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    assert "Đã ghi, đơn vị cấp trên chưa ký xác nhận" in page

    with office.node.db.transaction() as connection:
        connection.execute("DELETE FROM log_leaves")
    page = office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    assert "KHÔNG có trong sổ" in page


def test_the_queue_says_since_when_a_dossier_waits(office: Any) -> None:
    """A new one has neither code nor due time; when it came is what an official goes by."""
    stream = office.file()
    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies
    page = office.nobody.get("/desk", cookies=cookies).text
    assert f"nộp {time_text(office.node.model.queries.dossier(stream).submitted_at)}" in page


def test_the_slip_lists_the_papers_that_were_handed_in_and_no_result(office: Any) -> None:
    """Printed again after the result, it says what it said; and a dossier without a form shows no empty one."""
    office.stock("1.001193")
    paper, result = (office.official.put_file(f"\xff\xd8\xff {each}".encode("latin-1")) for each in ("giay", "ket qua"))
    stream = office.file(files=[paper], body=BODY)
    assert office.act(office.official, stream, "dossier.accepted").status_code == 201
    assert office.act(office.official, stream, "dossier.forwarded", to="Tư pháp").status_code == 201
    done = {"outcome": "granted", "summary": "Xong", "files": [result | {"part": "ket-qua"}]}
    assert office.act(office.official, stream, "dossier.resolved", **done).status_code == 201

    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies
    slip = office.nobody.get(f"/desk/dossiers/{stream}/slip", cookies=cookies).text
    page = office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    handed, kept = (each["sha256"].removeprefix("sha256-")[:16] for each in (paper, result))
    assert (handed in slip, kept in slip) == (True, False)
    assert (handed in page, kept in page) == (True, True)
    assert "Nội dung tờ khai" not in page
