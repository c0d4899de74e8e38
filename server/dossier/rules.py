"""When an authentic event counts: who may author it, and what must have happened before.

Each rule is judged by what the author had seen (`view.Views.before`) and returns why the event does not count, in
Vietnamese and English. Nothing is refused here: an event that does not count is kept and shown with its reason.
"""

from __future__ import annotations

from typing import Protocol

from server.dossier.event import Event
from server.dossier.granting import is_issued_by_node
from server.dossier.order import Order
from server.dossier.proofs import STALE, EventTime, Proofs
from server.dossier.states import STATUSES, Text, next_status
from server.dossier.times import parse_time
from server.dossier.units import is_subject_urn
from server.dossier.view import ACCEPTED, ACT_REVIEWED, SUBMITTED, View, Views

OFFICIAL_TYPES = frozenset(
    {
        "dossier.accepted",
        "dossier.refused",
        "dossier.forwarded",
        "dossier.supplement_requested",
        "dossier.stopped",
        "dossier.resolved",
        "dossier.returned",
        "dossier.commented",
        "dossier.conflict_resolved",
    }
)
# What cannot be taken back by a later event: whoever holds the paper holds it.
IRREVERSIBLE = frozenset({"dossier.resolved", "dossier.returned", "erasure.proposed", "erasure.confirmed"})
SUPPLEMENTED = "dossier.supplemented"
WITHDRAWN = "dossier.withdrawn"
RECEIPT = "receipt.issued"
CONFLICT_RESOLVED = "dossier.conflict_resolved"
COMMENTED = "dossier.commented"

WAITING = Text(
    "Đang chờ sự kiện đứng trước chưa được gửi tới", "Waiting: an event that this one builds on has not arrived"
)
NOT_A_NODE = Text(
    "Chỉ trạm của đơn vị hoặc của cấp trên được ghi bước này",
    "Only the node of the unit or of a unit above may do this",
)
NOT_AN_OFFICIAL = Text(
    "Người ký không được giao nhiệm vụ tại đơn vị này hoặc tại cấp trên vào thời điểm ký",
    "The signer held no role at this unit or above when signing",
)
NOT_A_PERSON = Text("Bước này phải do một người thực hiện, không phải trạm", "A person takes this step, not a node")
NOT_THE_OWNER = Text(
    "Chỉ người nộp hồ sơ hoặc cán bộ tiếp nhận được thực hiện bước này",
    "Only who filed the dossier, or an official in charge, may do this",
)
OTHER_UNIT = Text(
    "Sự kiện ghi đơn vị khác với đơn vị của hồ sơ", "The event names another unit than the one the dossier belongs to"
)
NO_SUBMISSION = Text("Trước bước này chưa có hồ sơ được nộp", "Nothing had been filed in this dossier before this step")
ALREADY_SUBMITTED = Text("Hồ sơ đã được nộp trước đó", "The dossier had been filed already")
ALREADY_ACCEPTED = Text(
    "Hồ sơ đã được tiếp nhận và có mã; mã hồ sơ không thay đổi",
    "The dossier had been accepted and has its code, which never changes",
)
SETTLE_FIRST = Text(
    "Có hai quyết định trái nhau; phải chọn một quyết định trước khi làm bước tiếp theo",
    "Two decisions contradict each other; one has to be chosen before the next step",
)
NOTHING_TO_SETTLE = Text(
    "Quyết định được chọn không thuộc một mâu thuẫn đang chờ giải quyết",
    "What was chosen is not part of a conflict that waits to be settled",
)
WRONG_RECEIPT = Text(
    "Giấy xác nhận không khớp với lần nộp mà nó nêu", "The receipt does not match the filing that it names"
)
DISPUTED = Text(
    "Có quyết định khác được đưa ra song song; đang chờ chọn một quyết định",
    "Another decision was made in parallel; one has to be chosen",
)
SET_ASIDE = Text(
    "Mâu thuẫn đã được giải quyết theo quyết định khác", "The conflict was settled in favour of another decision"
)
OVERTAKEN = Text(
    "Một bước song song đã chuyển trạng thái hồ sơ trước", "A parallel step had already moved the dossier on"
)


HELD_ROLE = Text(
    "Nhiệm vụ của người ký đã kết thúc trước thời điểm chứng minh được của việc ký; giữ lại chờ lãnh đạo xem xét",
    "The signer's role had ended before the time at which the signature is proven to exist; held for a leader",
)
HELD_CERTIFICATE = Text(
    "Chứng thư của người ký đã bị thu hồi hoặc hết hạn trước thời điểm chứng minh được của việc ký; giữ lại chờ lãnh"
    " đạo xem xét",
    "The signer's certificate had been revoked or had ended before the signature is proven to exist; held for a leader",
)
NOT_A_LEADER = Text(
    "Chỉ lãnh đạo đơn vị này hoặc cấp trên được xem xét việc làm đang giữ lại",
    "Only a leader of the unit or above may review an act that is held",
)
NOTHING_HELD = Text(
    "Việc làm được nêu không ở trạng thái giữ lại chờ xem xét", "The act that is named is not held for review"
)
NOT_YOURSELF = Text(
    "Không ai được tự xem xét việc làm của chính mình; cần một lãnh đạo khác",
    "Nobody reviews their own act; another leader has to",
)
ALREADY_REVIEWED = Text("Việc làm này đã được xem xét", "This act has been reviewed already")
REVIEWED_OTHERWISE = Text(
    "Một lãnh đạo khác đã xem xét việc làm này song song; việc không công nhận được ưu tiên",
    "Another leader reviewed this act in parallel; a refusal goes before an adoption",
)
DISCARDED = Text("Lãnh đạo đã xem xét và không công nhận", "A leader reviewed it and did not adopt it")


class RoleHolder(Protocol):
    """What the rules ask of grants."""

    def may_decide(self, subject: str, unit: str, at: str) -> bool:
        """Say whether `subject` is an official or leader at `unit` at the time `at`."""
        ...

    def holds(self, subject: str, role: str, unit: str, at: str) -> bool:
        """Say whether `subject` has `role` at `unit` at the time `at`."""
        ...

    def was_withdrawn(self, subject: str, unit: str, claimed: str, shown: str) -> bool:
        """Say whether `subject` could decide once and no longer at `shown`, so that only time is in question."""
        ...


def is_office(event: Event, grants: RoleHolder, at: str) -> bool:
    """Say whether the author acts for the office at the time `at`: a node of the unit or above, or an official."""
    if event.type == ACT_REVIEWED:
        return is_subject_urn(event.actor) and grants.holds(event.actor, "leader", event.unit, at)
    if is_subject_urn(event.actor):
        return grants.may_decide(event.actor, event.unit, at)
    return is_issued_by_node(event)


def is_certificate_in_doubt(event: str, time: EventTime, proofs: Proofs) -> bool:
    """Say whether the signer's certificate may have ended before the signature was made.

    Where the time is proven, the certificate's end decides, alike on every node. Where it is not, what this node could
    tell when the event came (`Proofs.doubt_of`) stands for it.
    """
    ends = proofs.ends_at(event)
    if time.proven and ends is not None:
        return parse_time(time.proven) >= ends
    return proofs.doubt_of(event) not in ("", STALE)


def why_held(event: Event, grants: RoleHolder, time: EventTime, reason: Text | None, *, in_doubt: bool) -> Text | None:
    """Return why an event that would count (`reason` None), or that its author's role alone keeps from counting, is to
    be seen by a leader; None if it is not. A review itself is never held: another leader can make it."""
    if event.type == ACT_REVIEWED:
        return None
    if reason is None:
        return HELD_CERTIFICATE if in_doubt else None
    withdrawn = is_subject_urn(event.actor) and grants.was_withdrawn(event.actor, event.unit, time.claimed, time.shown)
    return HELD_ROLE if withdrawn and reason in (NOT_AN_OFFICIAL, NOT_THE_OWNER) else None


def why_not(i: int, view: View, order: Order, views: Views, *, is_office: bool) -> Text | None:
    """Return why the event at index `i`, whose author had seen `view`, does not count; None if it does."""
    event = order.events[i].event
    root = views.event(view.root) if view.root >= 0 else None
    if root is not None and event.unit != root.unit:
        return OTHER_UNIT
    if event.type == ACT_REVIEWED:
        return _why_not_reviewed(i, view, order, views, is_office)
    return _why_not_by(event, root, is_office) or _why_not_now(event, view, order, views, order.past[i])


def _why_not_reviewed(i: int, view: View, order: Order, views: Views, is_leader: bool) -> Text | None:
    """A leader reviews what is held, once; to adopt it, its step must be possible where the leader stands."""
    event = order.events[i].event
    if not is_leader:
        return NOT_A_LEADER if is_subject_urn(event.actor) else NOT_A_PERSON
    held = order.index.get(event.body["of"], -1)
    if held not in views.held or not order.past[i] >> held & 1:
        return NOTHING_HELD
    act = order.events[held].event
    if act.actor == event.actor:
        return NOT_YOURSELF
    if views.reviews_of(held) & order.past[i]:
        return ALREADY_REVIEWED
    if event.body["decision"] == "discarded":
        return None
    return _why_not_now(act, view, order, views, order.past[i])


def _why_not_by(event: Event, root: Event | None, is_office: bool) -> Text | None:
    """Who may: a node for receipts, officials for decisions, the owner or an official for supplements."""
    person = is_subject_urn(event.actor)
    if event.type == RECEIPT:
        return NOT_A_NODE if person or not is_office else None
    if not person:
        return NOT_A_PERSON
    if event.type in OFFICIAL_TYPES:
        return None if is_office else NOT_AN_OFFICIAL
    if event.type == SUBMITTED:
        return None
    if root is None:
        return NO_SUBMISSION
    if event.actor == root.actor:
        return None
    # A dossier filed at the counter has no key of the citizen's: an official records the withdrawal that was handed in.
    may = is_office and (event.type == SUPPLEMENTED or root.body["channel"] == "counter")
    return None if may else NOT_THE_OWNER


def _why_not_now(event: Event, view: View, order: Order, views: Views, past: int) -> Text | None:
    """What must have happened before."""
    if event.type == SUBMITTED:
        return ALREADY_SUBMITTED if view.root >= 0 else None
    if view.root < 0:
        return NO_SUBMISSION
    if event.type == RECEIPT:
        return None if _is_matching_receipt(event, order, past) else WRONG_RECEIPT
    if event.type == CONFLICT_RESOLVED:
        return None if _is_open(event, view, views) else NOTHING_TO_SETTLE
    if event.type == COMMENTED:
        return None
    if view.is_blocked and event.type in OFFICIAL_TYPES:
        return SETTLE_FIRST
    if event.type == ACCEPTED and view.accepted >= 0:
        return ALREADY_ACCEPTED
    if next_status(event.type, view.status, view.resume) is None:
        return _not_from(view.status)
    return None


def _is_matching_receipt(event: Event, order: Order, past: int) -> bool:
    """A receipt names a filing that its node had seen, with exactly its files."""
    i = order.index.get(event.body["of"], -1)
    if i < 0 or not past >> i & 1:
        return False
    filing = order.events[i].event
    named = {file.sha256 for file in filing.files}
    return filing.type in (SUBMITTED, SUPPLEMENTED) and set(event.body["files"]) == named


def _is_open(event: Event, view: View, views: Views) -> bool:
    return any(views.member(event.body["chosen"], conflict.members) >= 0 for conflict in view.open)


def _not_from(status: int) -> Text:
    name = STATUSES[status].name
    return Text(
        f'Không thực hiện được bước này khi hồ sơ ở trạng thái "{name.vi}"',
        f'This step is not possible while the dossier is "{name.en}"',
    )
