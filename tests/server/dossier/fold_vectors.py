"""Writes tests/vectors/fold/*.json: python -m tests.server.dossier.fold_vectors

Each case says by hand what must come out (status, code, what became of each event); the rest of a file, ids included,
is computed. `test_vectors.py` checks that the files are what this module writes and what the fold gives; programs in
other languages read the files alone. docs/formats/event.md describes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.dossier.event import StoredEvent, to_value
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_OFFICIAL,
    LEADER,
    NODE,
    OFFICIAL,
    OTHER_CITIZEN,
    SECOND_LEADER,
    SECOND_OFFICIAL,
    Story,
    grant,
    photo,
    revoke,
)

HEAD = "sha256-" + "D" * 43  # a checkpoint's name
FOLDER = Path(__file__).parents[2] / "vectors" / "fold"

Case = tuple[str, Story, dict[str, Any], list[str], list[StoredEvent]]
LEADERS = [
    grant(LEADER, "leader", unit="H41.12"),
    grant(SECOND_LEADER, "leader"),
]
GRANTS = [grant(OFFICIAL), grant(SECOND_OFFICIAL), grant(DISTRICT_OFFICIAL, unit="H41.12")]


def straight_through() -> Case:
    s = Story()
    filed = s.submit(files=[photo(1)])
    s.give_back(s.resolve(s.forward(s.accept(s.receipt(filed)))))
    expect = {"status": 10, "code": "H41.12.03-261123-0001", "handover": "returned", "received": True}
    return "filed, received, accepted, forwarded, resolved, handed over", s, expect, ["applied"] * 6, GRANTS


def papers_asked_for() -> Case:
    s = Story()
    filed = s.submit(files=[photo(1)])
    s.supplement(s.ask(s.forward(s.accept(filed))), files=[photo(2)], form={"child_name": "Nguyễn Minh Đạt"})
    expect = {"status": 4, "form": {"child_name": "Nguyễn Minh Đạt"}, "handover": "forwarded", "received": False}
    return "after papers came the dossier is where it was", s, expect, ["applied"] * 5, GRANTS


def conflict_open() -> Case:
    s = Story()
    filed = s.submit()
    s.forward(s.accept(filed))
    s.refuse(filed, actor=SECOND_OFFICIAL)
    expect = {"status": 1, "code": "", "conflicts": [{"kind": "decision", "sides": [1, 3], "settled_by": None}]}
    return "accepted and refused apart", s, expect, ["applied", "disputed", "disputed", "disputed"], GRANTS


def conflict_settled() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    forwarded = s.forward(accepted)
    refused = s.refuse(filed, actor=SECOND_OFFICIAL)
    s.settle(accepted, forwarded, refused)
    states = ["applied", "applied", "applied", "set_aside", "applied"]
    conflict = {"kind": "decision", "sides": [1, 3], "settled_by": 4}
    expect = {"status": 4, "code": "H41.12.03-261123-0001", "conflicts": [conflict]}
    return "a third event settles the conflict", s, expect, states, GRANTS


def same_decision_twice() -> Case:
    s = Story()
    filed = s.submit()
    s.accept(filed)
    s.accept(filed, actor=SECOND_OFFICIAL)
    first = sorted(s.events[1:], key=lambda stored: stored.id)[0]
    states = ["applied"] + ["applied" if stored is first else "overtaken" for stored in s.events[1:]]
    return "equal decisions agree; ties go by id", s, {"status": 2, "conflicts": []}, states, GRANTS


def withdrawal_beside_acceptance() -> Case:
    s = Story()
    filed = s.submit()
    s.accept(filed)
    s.withdraw(filed)
    expect = {"status": 7, "code": "H41.12.03-261123-0001", "handover": "closed"}
    return "a parallel withdrawal comes after the decision", s, expect, ["applied"] * 3, GRANTS


def cause_missing() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.forward(accepted)
    s.events.remove(accepted)
    return "an event waits for its cause", s, {"status": 1, "missing": [accepted.id]}, ["applied", "waiting"], GRANTS


def not_allowed() -> Case:
    s = Story()
    filed = s.submit()
    s.accept(filed, actor=OTHER_CITIZEN)
    s.resolve(filed)
    s.withdraw(filed, actor=OTHER_CITIZEN)
    states = ["applied", "not_applied", "not_applied", "not_applied"]
    return "what is not allowed or not possible is kept and does not count", s, {"status": 1}, states, GRANTS


def official_revoked() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    later = s.forward(accepted)
    grants = [grant(OFFICIAL), revoke(OFFICIAL, later.event.at)]
    return "a role ends at its revocation", s, {"status": 2}, ["applied", "applied", "held"], grants


def submitted_twice() -> Case:
    s = Story()
    mine = s.submit()
    received = s.receipt(mine)
    theirs = s.submit(actor=OTHER_CITIZEN)
    s.receipt(theirs, received, theirs)
    expect = {"status": 1, "conflicts": [{"kind": "submission", "sides": [0, 2], "settled_by": None}]}
    states = ["applied", "applied", "disputed", "applied"]
    return "the submission that the office built on first counts", s, expect, states, GRANTS


def proven_after_the_role_ended() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.prove(filed, filed.event.at)
    s.prove(accepted, "2026-12-01T00:00:00Z")
    grants = [grant(OFFICIAL), revoke(OFFICIAL, "2026-11-30T00:00:00Z")]
    shown = {"shown": "2026-12-01T00:00:00Z", "provisional": False, "differs": True}
    expect = {"status": 1, "code": "", "times": {1: shown}}
    return "dated into a time in office, proven after it: held for a leader", s, expect, ["applied", "held"], grants


def a_receipt_proves_the_time() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.receipt(filed, accepted)
    grants = [grant(OFFICIAL), revoke(OFFICIAL, "2026-11-23T01:30:00Z")]
    shown = {"shown": "2026-11-23T01:03:00Z", "provisional": True, "differs": False}
    return (
        "what a node's receipt builds on existed by then",
        s,
        {"status": 2, "times": {1: shown}},
        ["applied"] * 3,
        grants,
    )


def held_and_adopted() -> Case:
    s = Story()
    accepted = s.accept(s.submit())
    s.prove(accepted, "2026-12-01T00:00:00Z")
    s.forward(s.review(accepted), actor=SECOND_OFFICIAL)
    grants = [grant(OFFICIAL), grant(SECOND_OFFICIAL), *LEADERS, revoke(OFFICIAL, "2026-11-30T00:00:00Z")]
    expect = {"status": 4, "code": "H41.12.03-261123-0001"}
    return "a leader adopts what was held: it takes its step there", s, expect, ["applied"] * 4, grants


def held_and_discarded() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.evidence["doubts"][accepted.id] = "revoked"
    s.refuse(s.review(accepted, decision="discarded"), actor=SECOND_OFFICIAL)
    states = ["applied", "not_applied", "applied", "applied"]
    return "a leader discards what was held", s, {"status": 3, "code": ""}, states, [*GRANTS, *LEADERS]


def reviewed_apart() -> Case:
    s = Story()
    accepted = s.accept(s.submit())
    s.evidence["doubts"][accepted.id] = "revoked"
    adopted = s.review(accepted)
    forwarded = s.forward(adopted, actor=SECOND_OFFICIAL)
    discarded = s.review(accepted, actor=SECOND_LEADER, decision="discarded")
    s.comment(forwarded, discarded, actor=SECOND_OFFICIAL)
    states = ["applied", "not_applied", "overtaken", "overtaken", "applied", "applied"]
    says = "of two reviews made apart the one that discards counts"
    return says, s, {"status": 1, "code": ""}, states, [*GRANTS, *LEADERS]


def adopted_twice() -> Case:
    s = Story()
    filed = s.submit()
    s.evidence["doubts"][filed.id] = "expired"
    one = s.review(filed)
    other = s.review(filed, actor=SECOND_LEADER)
    s.accept(one, other)
    first = min(one.id, other.id)
    states = ["applied", *("applied" if s.id == first else "overtaken" for s in (one, other)), "applied"]
    expect = {"status": 2, "conflicts": []}
    return "a held filing adopted twice is one filing", s, expect, states, [*GRANTS, *LEADERS]


def adopted_into_a_conflict() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.evidence["doubts"][accepted.id] = "revoked"
    adopted = s.review(accepted)
    refused = s.refuse(filed, actor=SECOND_OFFICIAL)
    s.settle(accepted, adopted, refused, actor=SECOND_OFFICIAL)
    states = ["applied", "applied", "applied", "set_aside", "applied"]
    conflict = {"kind": "decision", "sides": [1, 3], "settled_by": 4}
    expect = {"status": 2, "conflicts": [conflict]}
    return "an adopted act stands in a conflict like any other", s, expect, states, [*GRANTS, *LEADERS]


def reviews_that_do_not_count() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed, actor=LEADER)
    s.evidence["doubts"][accepted.id] = "revoked"
    s.review(accepted, actor=OFFICIAL)
    s.review(accepted, actor=LEADER)
    s.review(filed, accepted, actor=SECOND_LEADER)
    states = ["applied", "held", "not_applied", "not_applied", "not_applied"]
    says = "nobody reviews their own act, an official none, a leader only what is held"
    return says, s, {"status": 1}, states, [*GRANTS, *LEADERS]


def a_certificate_that_ended_in_between() -> Case:
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    forwarded = s.forward(accepted)
    for stored, at in ((accepted, "2026-11-23T02:00:00Z"), (forwarded, "2026-11-23T03:00:00Z")):
        s.prove(stored, at)
        s.evidence["ends"][stored.id] = "2026-11-23T02:30:00Z"
        s.evidence["doubts"][stored.id] = "revoked"
    states = ["applied", "applied", "held"]
    return (
        "what is proven before the certificate ended counts, whatever a node thought",
        s,
        {"status": 2},
        states,
        GRANTS,
    )


def dated_before_the_checkpoint() -> Case:
    s = Story()
    filed = s.submit()
    s.evidence["checkpoints"][HEAD] = "2026-12-24T00:00:00Z"
    body = {"reason": "Không thuộc thẩm quyền của xã"}
    s.write("dossier.refused", OFFICIAL, body, [filed], after=HEAD)
    shown = {"shown": "2026-12-24T00:00:00Z", "provisional": True, "differs": True}
    expect = {"status": 3, "times": {1: shown}}
    return "nobody has seen a checkpoint before it was made", s, expect, ["applied", "applied"], GRANTS


def dated_into_office_after_a_later_checkpoint() -> Case:
    s = Story()
    filed = s.submit()
    s.evidence["checkpoints"][HEAD] = "2026-12-24T00:00:00Z"
    s.write("dossier.refused", OFFICIAL, {"reason": "Quá hạn"}, [filed], after=HEAD)
    grants = [grant(OFFICIAL), revoke(OFFICIAL, "2026-11-30T00:00:00Z")]
    shown = {"shown": "2026-12-24T00:00:00Z", "provisional": True, "differs": True}
    expect = {"status": 1, "times": {1: shown}}
    says = "dated into a time in office, yet behind a checkpoint made after it: held before any log has spoken"
    return says, s, expect, ["applied", "held"], grants


def a_checkpoint_nobody_here_knows() -> Case:
    s = Story()
    filed = s.submit()
    s.write("dossier.refused", OFFICIAL, {"reason": "Quá hạn"}, [filed], after="sha256-" + "E" * 43)
    shown = {"shown": "2026-11-23T01:02:00Z", "provisional": True, "differs": False}
    expect = {"status": 3, "times": {1: shown}}
    return "a checkpoint that is not known here says nothing", s, expect, ["applied", "applied"], GRANTS


def proven_late_by_what_came_after() -> Case:
    s = Story()
    asked = s.ask(s.submit())
    more = s.write("dossier.supplemented", CITIZEN, {"note": "x"}, [asked], at="2026-11-23T05:00:00Z")
    body = {"of": more.id, "files": [], "bytes": 0}
    s.write("receipt.issued", NODE, body, [more], at="2026-11-23T05:01:00Z")
    shown = {"shown": "2026-11-23T05:01:00Z", "provisional": True, "differs": False}
    expect = {"status": 1, "times": {1: shown}}
    says = "proven late by what came after it, while the owner's log has not spoken: no accusation"
    return says, s, expect, ["applied"] * 4, GRANTS


def dated_after_its_proof() -> Case:
    s = Story()
    filed = s.submit()
    forwarded = s.write("dossier.commented", OFFICIAL, {"text": "x"}, [filed], at="2026-11-24T01:00:00Z")
    s.receipt(filed, forwarded)
    shown = {"shown": "2026-11-23T01:03:00Z", "provisional": True, "differs": True}
    expect = {"status": 1, "times": {1: shown}}
    return "a claim after its proof is wrong, whatever comes", s, expect, ["applied"] * 3, GRANTS


CASES: list[Callable[[], Case]] = [
    straight_through,
    papers_asked_for,
    conflict_open,
    conflict_settled,
    same_decision_twice,
    withdrawal_beside_acceptance,
    cause_missing,
    not_allowed,
    official_revoked,
    submitted_twice,
    proven_after_the_role_ended,
    a_receipt_proves_the_time,
    held_and_adopted,
    held_and_discarded,
    reviewed_apart,
    adopted_twice,
    adopted_into_a_conflict,
    reviews_that_do_not_count,
    a_certificate_that_ended_in_between,
    dated_before_the_checkpoint,
    dated_into_office_after_a_later_checkpoint,
    a_checkpoint_nobody_here_knows,
    proven_late_by_what_came_after,
    dated_after_its_proof,
]


def build(case: Callable[[], Case]) -> dict[str, Any]:
    """Return one vector: events in the order they were written, and what must come out."""
    says, story, expect, states, grants = case()
    ids = [stored.id for stored in story.events]
    for conflict in expect.get("conflicts", []):
        conflict["events"] = sorted(ids[i] for i in conflict.pop("sides"))
        settled = conflict["settled_by"]
        conflict["settled_by"] = "" if settled is None else ids[settled]
    if "times" in expect:
        expect["times"] = {ids[i]: time for i, time in expect["times"].items()}
    return {
        "says": says,
        "grants": [{"id": stored.id, "event": to_value(stored.event)} for stored in grants],
        "events": [{"id": stored.id, "event": to_value(stored.event)} for stored in story.events],
        "proofs": {kind: each for kind, each in (story.evidence | {"logged": story.logged}).items() if each},
        "expect": {"states": dict(zip(ids, states, strict=True)), **expect},
    }


def text_of(case: Callable[[], Case]) -> str:
    """Return the file's text."""
    return json.dumps(build(case), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write all files."""
    for case in CASES:
        (FOLDER / f"{case.__name__}.json").write_text(text_of(case), encoding="utf-8")


if __name__ == "__main__":
    main()
