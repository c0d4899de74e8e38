"""The desk's pages on people and their keys: find somebody, see their keys, record a loss, let the next key in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, request

from server.api.origin import own_origin
from server.api.people import HOW, TOLD, kind_of
from server.api.roles import ROLE_NAMES
from server.desk.translate import Translator, time_text
from server.desk.visit import Visit
from server.dossier import units
from server.dossier.granting import NEEDS_SECOND
from server.dossier.revoking import RevocationOrder
from server.dossier.times import format_time
from server.enrolment import Enrolment
from server.errors import Missing
from server.node.assembly import Node
from server.people.finding import Found, find_people
from server.readmodel.people import PersonKey
from server.readmodel.queries import DossierFilter, DossierRow

_MOST_CHARS: Final = 200
_SHOWN_DOSSIERS: Final = 5
_MOST_OTHERS: Final = 5


def add_people_pages(desk: Blueprint, node: Node, visit: Callable[[], Visit], show: Callable[..., str]) -> None:
    """Add `/desk/people` and what lies below it."""

    @desk.get("/people")
    def people() -> str:
        who = visit()
        asked = request.args.get("q", "").strip()[:_MOST_CHARS]
        node.model.follower.catch_up(node.database)
        found = find_people(asked, model=node.model, enrolments=node.people.enrolments)
        waiting = [_found_of(node, each) for each in awaiting_key(node)] if not asked else []
        return show(
            "desk/people.html",
            "enrolments",
            who,
            q=asked,
            found=[_line(node, each, who.t) for each in found],
            waiting=[_line(node, each, who.t) for each in waiting],
        )

    @desk.get("/people/<subject>")
    def person(subject: str) -> str:
        who = visit()
        return show(
            "desk/person.html",
            "enrolments",
            who,
            p=build_person(node, _urn(node, subject, who.t), who),
            said=request.args.get("said", "") == "1",
            stream=units.unit_stream(node.unit),
        )

    @desk.get("/people/<subject>/lost")
    def lost(subject: str) -> str:
        who = visit()
        shown = build_person(node, _urn(node, subject, who.t), who)
        how = [
            {"value": each, "label": who.t(f"lost.how.{each}"), "hint": who.t(f"lost.how.{each}.hint")} for each in HOW
        ]
        told = [{"value": each, "label": who.t(f"lost.told.{each}")} for each in TOLD]
        return show(
            "desk/lost.html", "enrolments", who, p=shown, how=how, told=told, stream=units.unit_stream(node.unit)
        )

    @desk.post("/people/<subject>/code")
    def code(subject: str) -> str:
        who = visit()
        urn = _urn(node, subject, who.t)
        kind = kind_of(node, urn)
        _, activation = node.people.invite(node.model.queries.name_of(urn), kind, urn, maker=who.speaker.urn)
        shown = build_person(node, urn, who)
        return show("desk/code.html", "enrolments", who, p=shown, code=activation, address=own_origin(), kind=kind)


def awaiting_key(node: Node) -> tuple[str, ...]:
    """Return the URNs of people of this unit whose keys were all taken away and who have no new one, newest first."""
    return tuple(subject for subject in _lost(node) if not _has_key(node, subject))


def build_choices(node: Node, found: Enrolment, approver: str, t: Translator) -> list[dict[str, str]]:
    """Return the people whose next key a waiting request may be: those without one of the same name, then the last few
    who lost theirs. Whoever is not among them gets an activation code on their own page."""
    choices: list[dict[str, str]] = []
    others = 0
    for subject in _lost(node):
        name = node.model.queries.name_of(subject)
        same = _plain(name) == _plain(found.name)
        if (not same and others >= _MOST_OTHERS) or _has_key(node, subject):
            continue
        others += not same
        why = node.why_not_again(subject, approver)
        text = t("again.choice", name=name, id=subject[-6:], when=time_text(_last_order(node, subject).at))
        choices.append({"value": subject, "label": text, "same": "1" if same else "", "why": t.of(why) if why else ""})
    return sorted(choices, key=lambda each: (not each["same"], each["label"]))


def build_person(node: Node, urn: str, who: Visit) -> dict[str, Any]:
    """Return what the pages show of one person."""
    t, now = who.t, format_time(who.now)
    grants = node.model.grants(node.database)
    enrolment = node.people.enrolments.of_subject(urn)
    private = enrolment.private if enrolment else {}
    keys = [_key(node, key, t) for key in node.revoking.keys_of(urn)]
    orders = node.revoking.of(urn)
    page = node.model.queries.dossiers(DossierFilter(owner=urn, newest=True), limit=_SHOWN_DOSSIERS)
    roles = grants.roles(urn, node.unit, now)
    why = node.why_not_again(urn, who.speaker.urn)
    return {
        "id": urn.rpartition(":")[2],
        "name": node.model.queries.name_of(urn),
        "kind": t(f"people.kind.{_kind(node, urn)}"),
        "phone": private.get("phone", ""),
        "card": _end_of(private.get("id_number", "")),
        "enrolled": time_text(enrolment.asked) if enrolment else "",
        "roles": ", ".join(t.of(ROLE_NAMES[role]) for role in roles),
        "needs_second": not NEEDS_SECOND.isdisjoint(roles),
        "keys": keys,
        "in_force": any(key["state"] == "in_force" for key in keys),
        "waits": any(key["state"] == "waits" for key in keys),
        "compromised": any(each.is_compromise for each in orders),
        "orders": [_order(node, each, t) for each in reversed(orders)],
        "dossiers": [_dossier(row) for row in page.rows],
        "more": max(0, page.total - len(page.rows)),
        "count": page.total,
        "me": urn == who.speaker.urn,
        "why_not_again": t.of(why) if why else "",
        "is_official": _kind(node, urn) == "official",
    }


def _lost(node: Node) -> list[str]:
    """Return the URNs of people of this unit whose keys were ever taken away, newest first."""
    ordered = (each.subject for each in reversed(node.revoking.all()) if each.unit == node.unit and each.how != "ended")
    return list(dict.fromkeys(ordered))


def _urn(node: Node, subject: str, t: Translator) -> str:
    urn = f"{units.SUBJECT_URN}{subject}"
    node.model.follower.catch_up(node.database)
    if not units.is_subject_urn(urn) or not node.model.queries.name_of(urn):
        raise Missing(t("not_found.person"))
    return urn


def _kind(node: Node, urn: str) -> str:
    found = node.people.enrolments.of_subject(urn)
    return found.kind if found else "citizen"


def _has_key(node: Node, urn: str) -> bool:
    return any(node.revoking.in_force(key) for key in node.revoking.keys_of(urn))


def _last_order(node: Node, urn: str) -> RevocationOrder:
    return node.revoking.of(urn)[-1]


def _found_of(node: Node, urn: str) -> Found:
    return Found(urn, node.model.queries.name_of(urn), "name")


def _line(node: Node, found: Found, t: Translator) -> dict[str, str]:
    keys = node.revoking.keys_of(found.subject)
    state = "none" if not keys else "in_force" if any(map(node.revoking.in_force, keys)) else "gone"
    return {
        "id": found.subject.rpartition(":")[2],
        "short": found.subject[-6:],
        "name": found.name,
        "kind": t(f"people.kind.{_kind(node, found.subject)}"),
        "by": t("people.by.dossier", code=found.dossier[-24:]) if found.by == "dossier" else "",
        "state": state,
        "state_text": t(f"people.state.{state}"),
    }


def _key(node: Node, key: PersonKey, t: Translator) -> dict[str, str]:
    now = node.clock.now()
    if key.revoked:
        state = "revoked"
    elif node.revoking.is_ordered(key.fingerprint):
        state = "waits"
    else:
        state = "in_force" if datetime.fromisoformat(key.ends) > now else "ended"
    return {
        "short": key.fingerprint[:8],
        "begins": time_text(key.begins),
        "ends": time_text(key.ends),
        "state": state,
        "state_text": t(f"people.key.{state}"),
        "stops": t("person.key.stops", at=time_text(key.revoked)) if key.revoked else "",
    }


def _order(node: Node, order: RevocationOrder, t: Translator) -> dict[str, str]:
    return {
        "how": t(f"lost.how.{order.how}"),
        "told": t.of(TOLD[order.told]),
        "when": time_text(order.at),
        "since": time_text(order.since),
        "reason": order.reason,
        "author": _name(node, order.author),
    }


def _name(node: Node, actor: str) -> str:
    return node.model.queries.name_of(actor) or actor.rpartition(":")[2].upper().replace("-", ".")


def _dossier(row: DossierRow) -> dict[str, str]:
    return {
        "stream": row.stream,
        "code": row.code or "…" + row.stream[-8:],
        "applicant": row.applicant,
        "when": time_text(row.submitted_at),
    }


def _end_of(number: str) -> str:
    """Return the last three digits of an identity card number: enough to ask about, not enough to copy."""
    return f"…{number[-3:]}" if number else ""


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
