"""Finding somebody at the counter: by what they can say of themselves."""

from __future__ import annotations

import pytest

from crypto import keys
from server.enrolment import Request
from server.people.finding import find_people


@pytest.fixture(scope="module")
def town(shared_office):
    """Two people of almost one name, enrolled with their numbers; one has filed a dossier."""
    office = shared_office
    office.people = {}
    for name, phone, card in (
        ("Nguyễn Thị Ánh Đào", "0912 345 678", "030099001234"),
        ("Nguyễn Thị Anh", "+84 98.765.4321", "030099005678"),
    ):
        key = keys.generate_p256()
        request = Request(
            key.public_key(),
            keys.thumbprint(key.public_key()),
            name,
            "citizen",
            "",
            {"phone": phone, "id_number": card},
        )
        people, now = office.node.people, office.node.clock.now()
        people.enrolments.ask(request, now)
        body = people.approval_body(request.thumbprint, approver=office.official.person.urn)
        people.say("enrol.approved", body)
        office.people[name] = people.state(request.thumbprint).subject
    return office


def find(office, text):
    return [
        (each.name, each.by)
        for each in find_people(text, model=office.node.model, enrolments=office.node.people.enrolments)
    ]


def test_people_are_found_by_name_and_number(town):
    """Tones and diacritics apart; of a number the end; too little finds nobody, and nothing typed is an operator."""
    dao, anh = ("Nguyễn Thị Ánh Đào", "Nguyễn Thị Anh")
    for text, found in {
        "nguyen dao": [(dao, "name")],
        "NGUYỄN thi anh": [(anh, "name"), (dao, "name")],
        "0912345678": [(dao, "number")],
        "4321": [(anh, "number")],
        "030099005678": [(anh, "number")],
        "678": [],
        "n": [],
        "Trần": [],
        "%": [],
        '"; DROP': [],
    }.items():
        assert find(town, text) == found, text


def test_a_person_is_found_by_the_code_of_a_dossier(shared_office):
    """It is what people have on paper when the telephone is gone."""
    office = shared_office
    office.record(office.citizen)
    stream = office.file()
    office.act(office.official, stream, "dossier.accepted", due="2036-12-31T10:00:00Z")
    code = office.node.model.queries.dossier(stream).code

    [found] = find_people(code, model=office.node.model, enrolments=office.node.people.enrolments)

    assert (found.subject, found.by, found.dossier) == (office.citizen.person.urn, "dossier", code)


def test_the_pages_lead_from_the_search_to_the_person(town):
    """The search, the person with their keys, the form with what happens; somebody unknown is a page that says so."""
    page = town.official.get("/desk/people", params={"q": "anh dao"}).text
    subject = town.people["Nguyễn Thị Ánh Đào"].rpartition(":")[2]
    assert f"/desk/people/{subject}" in page

    person = town.official.get(f"/desk/people/{subject}").text
    assert "0912 345 678" in person
    assert "…234" in person
    assert "030099001234" not in person
    assert "Không thể hoàn tác" in town.official.get(f"/desk/people/{subject}/lost").text
    assert town.official.get(f"/desk/people/{'0' * 32}").status_code == 404
    assert town.official.get("/desk/people/%3Cscript%3E").status_code == 404
    assert town.citizen.get("/desk/people").status_code == 403
