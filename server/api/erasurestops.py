"""Taking back a proposal to erase, and refusing to confirm one: the drafts, and the console's own word.

The dossier stays, so nobody is kept waiting: neither by stale revocation lists nor for a second person. A leader of a
unit above may refuse at their own node; what is proposed belongs to the unit below all the same.
"""

from __future__ import annotations

from server.api.drafting import Draft, draft_unit_event
from server.api.speaker import Speaker
from server.dossier.erasing import Erasure
from server.dossier.event import parse_event
from server.dossier.states import Text
from server.dossier.units import database_name
from server.errors import Clash, Refused
from server.node.assembly import Node


def draft_stop(node: Node, speaker: Speaker, type: str, of: str, reason: str) -> Draft:
    """Return the draft of an `erasure.withdrawn` or `erasure.refused`. Raises `Missing`, and `Refused`: by the gate if
    it could not count, naming `reason` if there is none."""
    found = node.erasures.get(of)
    database = database_name(found.unit)
    # A leader of a tier above is judged by the grants in the proposal's own database: bring them there first.
    node.copier.ensure_credentials(database, speaker.who.fingerprint)
    node.model.follower.catch_up(database)
    body = {"of": of, "reason": _checked(reason)}
    draft = draft_unit_event(node, speaker, type, body, _statement(node, type, found, reason), unit=found.unit)
    node.erasure_gate.check(database, parse_event(draft.event))
    return draft


def say_stop(node: Node, of: str, reason: str) -> Erasure:
    """Withdraw by the node's word what the node proposed, refuse what a leader did; return the erasure as it is then.

    Raises `Missing`; `Clash` for another unit's, and if the node had begun to erase; `Refused` if it comes too late.
    """
    found = node.erasures.get(of)
    if found.unit != node.unit:
        raise Clash(f"this dossier belongs to {found.unit}; the console there can stop its erasure, or a leader here")
    node.erasure_gate.check_open(found)
    type = "erasure.withdrawn" if found.proposer == node.signer.urn else "erasure.refused"
    node.people.say(type, {"of": of, "reason": _checked(reason)})
    node.erasure_gate.check_in_time(of)
    return node.erasures.get(of)


def spoken(node: Node, stream: str) -> str:
    """Return how a statement names a dossier: its code, or the end of its stream id, and whose it is."""
    row = node.model.queries.dossier(stream)
    name = row.code if row is not None and row.code else "…" + stream[-8:]
    return f"{name}, {row.applicant}" if row is not None and row.applicant else name


def _checked(reason: str) -> str:
    if not reason.strip():
        raise Refused("schema", "Hãy ghi lý do / say why", member="reason")
    return reason


def _statement(node: Node, type: str, found: Erasure, reason: str) -> Text:
    what = spoken(node, found.dossier)
    if type == "erasure.withdrawn":
        return Text(
            f"Tôi rút đề nghị tiêu hủy hồ sơ {what}. Lý do: “{reason}”. Hồ sơ được giữ nguyên; muốn tiêu hủy phải lập"
            " đề nghị mới.",
            f"I withdraw the proposal to erase dossier {what}. Reason: “{reason}”. The dossier is kept; to erase it"
            " takes a new proposal.",
        )
    return Text(
        f"Tôi từ chối xác nhận tiêu hủy hồ sơ {what}. Lý do: “{reason}”. Đề nghị này chấm dứt, hồ sơ được giữ nguyên;"
        " muốn tiêu hủy phải lập đề nghị mới.",
        f"I refuse to confirm the erasure of dossier {what}. Reason: “{reason}”. The proposal is ended and the dossier"
        " is kept; to erase it takes a new proposal.",
    )
