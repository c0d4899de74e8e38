"""The main job as steps that both the demo and the smoke run know: who the people are, and what each of them does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.scenario.person import LINK_LOST, Citizen, Person, Refusal
from deploy.scenario.tiers import COMMUNE, DISTRICT, PROVINCE, Province, Tier

PROCEDURE = "1.001193"
OFFICIAL, DISTRICT_OFFICIAL, PROVINCE_OFFICIAL = "Vàng A Mẫu", "Hà Thị Mẫu", "Nguyễn Văn Mẫu"
CITIZEN = "Lò Thị Mẫu"
APPLICANT = {"name": CITIZEN, "phone": "0900000001", "address": "Bản Mẫu, xã Mẫu Sơn"}
LOOK_AGAIN_S = 0.4


@dataclass(slots=True)
class People:
    """Everybody in the story, registered at the node of their tier."""

    citizen: Citizen
    official: Person
    district_official: Person
    province_official: Person


def enrol_official(province: Province, tier: Tier, name: str) -> Person:
    """Register an official with an activation code, as they do on their first visit to the desk."""
    person = Person(name, province.url(tier))
    person.request_enrolment(kind="official", activation=province.add_official(tier, name))
    person.wait_for_certificate()
    return person


def enrol_citizen(official: Person, node: str) -> Citizen:
    """Register a citizen's phone at the counter: it asks, the official compares six digits and approves, signed."""
    citizen = Citizen(CITIZEN, node)
    code = citizen.request_enrolment(kind="citizen")
    waiting = official.fetch_enrolments()
    request = next(r for r in waiting if r["thumbprint"] == citizen.thumbprint)
    if request["code"] != code:
        raise Refusal(f"the phone shows {code}, the desk {request['code']}: do not approve")
    official.approve(citizen.thumbprint)
    citizen.wait_for_certificate()
    return citizen


def enrol_everybody(province: Province, phone_node: str) -> People:
    """Register the officials of three tiers and the citizen, whose phone reaches the commune at `phone_node`."""
    official = enrol_official(province, COMMUNE, OFFICIAL)
    return People(
        citizen=enrol_citizen(official, phone_node),
        official=official,
        district_official=enrol_official(province, DISTRICT, DISTRICT_OFFICIAL),
        province_official=enrol_official(province, PROVINCE, PROVINCE_OFFICIAL),
    )


def form_for(procedure: Mapping[str, Any]) -> dict[str, str]:
    """Return plausible made-up answers to every required question of a procedure's form."""
    answers = {"date": "2026-11-17", "id_number": "040198000001", "phone": "0900000001"}
    form = {}
    for question in procedure["form"]["fields"]:
        if question["required"] and "when" not in question:
            options = question.get("options") or procedure.get("lists", {}).get(question.get("options_list"), [])
            form[question["id"]] = options[0]["value"] if options else answers.get(question["type"], "Lò Thị Ban Mai")
    return form


def wait_until(what: str, holds: Callable[[], bool], limit_s: float) -> None:
    """Return once `holds()`; a node that is down counts as not yet. Raises `Refusal` naming `what` after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not _holds(holds):
        if time.monotonic() > deadline:
            raise Refusal(f"after {limit_s:.0f} s: {what}")
        time.sleep(LOOK_AGAIN_S)  # looking from outside, as a person would; the deadline bounds it


def has_arrived(person: Person, stream: str, *, events: int) -> bool:
    """Whether the node of `person` holds the dossier with at least so many events and every file whole."""
    dossier = person.find_dossier(stream)
    if dossier is None or len(dossier["timeline"]) < events:
        return False
    progress = dossier["progress"]
    return bool(progress["files_total"]) and progress["files_here"] == progress["files_total"]


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except LINK_LOST:
        return False
