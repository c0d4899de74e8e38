"""What the body of each type of event holds, as tables of checks.

The types, their actors and members are those of docs/architecture.md; docs/formats/event.md writes them out. Only the
form is checked here. Who may say it and when it counts is for `rules` and `fold`: an authentic event that comes out of
order or from the wrong person is kept and shown as not applied.
"""

from __future__ import annotations

from typing import Any, Final

from server.dossier import calendar, procedure, trustpolicy
from server.dossier.checks import (
    Check,
    Wrong,
    line,
    listing,
    matching,
    members,
    one_of,
    satisfying,
    shown,
    table,
    text,
    time,
    whole,
)
from server.dossier.units import is_subject_urn, is_unit_code

# 42 characters and one whose last two bits are zero: 32 bytes have one spelling only (RFC 4648 §3.5).
CONTENT_ID = r"sha256-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
THUMBPRINT = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
NONCE = r"[A-Za-z0-9_-]{21}[AQgw]"
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
AGE_RECIPIENT = r"age1[02-9ac-hj-np-z]{58}"
FIELD_ID = r"[a-z][a-z0-9_]{0,63}"

MAX_FILE_BYTES = 32 * 1024 * 1024  # an A4 scan takes 0.3 MB; a manifest of 1024 chunks stays under 50 KB
MAX_FILES = 50
MAX_PREVIEW_BYTES = 12 * 1024  # 3 s at 32 kbit/s; enough to read a heading and see what paper it is
MAX_ENTRIES = 2 * MAX_FILES  # each paper with a preview
MAX_ERASED_EVENTS, MAX_ERASED_FILES = 400, 300  # 37 KB of names; an event takes 48 KB
_MAX_BYTES_TOTAL = MAX_FILES * (MAX_FILE_BYTES + MAX_PREVIEW_BYTES)

content_id: Final = matching(CONTENT_ID, "a content id: sha256- and 43 base64url characters")
unit_code: Final = satisfying(is_unit_code, "an agency code such as H41.12.03")
subject: Final = satisfying(is_subject_urn, "urn:tram:subject: and 32 lower-case hexadecimal digits")

_name = line(200)
_reason = text(4000)
_note = text(4000, empty=True)
_delivery = one_of("counter", "post", "online")
_erased_count = whole(0, 1_000_000)
_form = table(FIELD_ID, text(4000, empty=True), 300)

# id_number and phone are kept as people give them: a missing digit is for the official to ask about, not a reason to
# lose the dossier of somebody who is fifty kilometres away by now (docs/decisions/0052).
_applicant = members({"name": _name}, {"id_number": line(32), "phone": line(32), "address": line(500)})


# Somebody without a phone signs on paper, or gives a fingerprint before a witness; who files says so. `scan` is the
# content id of the photograph of it, which is one of the event's files.
_ON_BEHALF = members(
    {"name": _name, "how": one_of("wet_signature", "fingerprint"), "scan": content_id}, {"witness": _name}
)


def _on_behalf(value: Any) -> None:
    _ON_BEHALF(value)
    if value["how"] == "fingerprint" and "witness" not in value:
        raise Wrong("a fingerprint is given before a witness; name who that was", place="witness")


# Keys of a person that are to count no more. `certificates` are the content ids of their certificates, so that the
# order never reaches the key they get next; `told` says how the office learned of it.
LOST = ("lost", "stolen")
_REVOKED = members(
    {
        "subject": subject,
        "certificates": listing(content_id, 50, least=1, unique=True),
        "how": one_of(*LOST, "destroyed", "ended"),
        "told": one_of("counter", "phone", "office"),
        "reason": _reason,
    },
    {"since": time},
)


def _revoked(value: Any) -> None:
    _REVOKED(value)
    if "since" in value and value["how"] not in LOST:
        raise Wrong("only a key that is in other hands may have been misused since; leave it out", place="since")


def _file_name(value: Any) -> None:
    _name(value)
    if "/" in value or "\\" in value or value.startswith("."):
        raise Wrong(f"got {shown(value)}, expected a file name without a folder and without a leading dot")


BODIES: Final[dict[str, Check]] = {
    "dossier.submitted": members(
        {
            "procedure": matching(procedure.CODE, "a procedure code such as 1.001193"),
            "channel": one_of("online", "counter", "helper"),
            "applicant": _applicant,
            "form": _form,
            "delivery": _delivery,
        },
        {"on_behalf": _on_behalf},
    ),
    "receipt.issued": members(
        {"of": content_id, "files": listing(content_id, MAX_ENTRIES), "bytes": whole(0, _MAX_BYTES_TOTAL)}
    ),
    "dossier.accepted": members({"code": line(64), "due": time}, {"note": _note}),
    "dossier.refused": members({"reason": _reason}),
    "dossier.forwarded": members({"to": _name}, {"note": _note}),
    "dossier.supplement_requested": members({"items": listing(text(1000), 50, least=1), "reason": _reason}),
    "dossier.supplemented": members({}, {"note": _note, "form": _form}),
    "dossier.withdrawn": members({"reason": _reason}),
    "dossier.stopped": members({"reason": _reason}),
    "dossier.resolved": members({"outcome": one_of("granted", "rejected"), "summary": _reason}),
    "dossier.returned": members({"method": _delivery, "receiver": _name}),
    "dossier.commented": members({"text": _reason}),
    "dossier.conflict_resolved": members({"chosen": content_id, "reason": _reason}),
    "dossier.act_reviewed": members({"of": content_id, "decision": one_of("adopted", "discarded"), "reason": _reason}),
    "unit.described": members(
        {"code": unit_code, "name": _name, "tier": one_of("commune", "district", "province"), "from": time},
        {"parent": unit_code, "until": time},
    ),
    # To whom bundles for the unit, or for anybody in its branch, are sealed (docs/formats/bundle.md).
    "unit.key_published": members(
        {
            "recipient": matching(AGE_RECIPIENT, "an age recipient, age1…"),
            "use": one_of("node", "recovery"),
            "from": time,
        },
        {"until": time},
    ),
    "role.granted": members(
        {"subject": subject, "name": _name, "role": one_of("official", "leader", "helper", "admin"), "from": time},
        {"until": time},
    ),
    "role.confirmed": members({"of": content_id, "subject": subject}),
    "role.revoked": members(
        {"subject": subject, "role": one_of("official", "leader", "helper", "admin"), "reason": _reason}
    ),
    # At the end of retention: what is to be erased, by which law and rule. docs/formats/event.md, "Erasure".
    "erasure.proposed": members(
        {
            "dossier": matching(UUID7, "a dossier's stream, a lower-case UUIDv7"),
            "basis": text(1000),
            "rule": text(500),
            "ended": time,
            "events": listing(content_id, MAX_ERASED_EVENTS, least=1, unique=True),
            "files": listing(content_id, MAX_ERASED_FILES, unique=True),
        }
    ),
    "erasure.confirmed": members({"of": content_id}),
    "erasure.withdrawn": members({"of": content_id, "reason": _reason}),
    "erasure.refused": members({"of": content_id, "reason": _reason}),
    "erasure.done": members(
        {"of": content_id, "events": _erased_count, "files": _erased_count, "chunks": _erased_count}
    ),
    "enrol.approved": members(
        {
            "subject": subject,
            "name": _name,
            "thumbprint": matching(THUMBPRINT, "an RFC 7638 thumbprint: 43 base64url characters"),
            "kind": one_of("citizen", "official", "helper"),
        }
    ),
    "enrol.revoked": _revoked,
    "ca.approved": members(
        {
            "unit": unit_code,
            "name": _name,
            "thumbprint": matching(THUMBPRINT, "an RFC 7638 thumbprint: 43 base64url characters"),
            "generation": whole(1, 99),
        }
    ),
    "log.alarm": members({"origin": line(200), "known": text(4096), "shown": text(4096), "reason": line(500)}),
    "log.reset": members({"origin": line(200), "known": text(4096), "unit": unit_code}),
    "procedure.published": procedure.check,
    "calendar.published": calendar.check,
    "policy.trust": trustpolicy.check,
}

FILE: Final = members(
    {
        "sha256": content_id,
        "manifest": content_id,
        "size": whole(1, MAX_FILE_BYTES),
        "type": one_of("image/jpeg", "image/png", "image/webp", "application/pdf"),
        "name": _file_name,
        "part": matching(r"[a-z0-9][a-z0-9._-]{0,63}", "the id of a component, such as giay-chung-sinh"),
    },
    {"preview_of": content_id},
)
