"""The desk's pages about the end of retention: what may be erased, what waits for a second person, who has done it.

Proposing and confirming are signed in the browser like every other step; nothing here writes into a store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from flask import Blueprint, Response, request, url_for

from server.api.drafting import why_waiting
from server.desk.translate import Translator, time_text
from server.desk.visit import Visit
from server.dossier import units
from server.dossier.erasing import Erasure, Stop
from server.dossier.times import format_time
from server.erasure.keeping import WORDS, Kept, Word
from server.erasure.progress import NodeWord, tiers_of, words_of
from server.node.assembly import Node

PAGE_ROWS = 20
LISTED = 30  # erasures shown at once: those still under way first, then the newest
_LONGEST_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True)
class Names:
    """What erasure events only name by ids: people and nodes, units, procedures."""

    actor: Callable[[str], str]
    unit: Callable[[str], str]
    procedure: Callable[[str], str]


def add_erasure_pages(
    desk: Blueprint,
    node: Node,
    visit: Callable[[], Visit],
    show: Callable[..., str],
    is_fragment: Callable[[], bool],
    names: Callable[[Translator], Names],
) -> None:
    """Add `/desk/erasures` and the record of each erasure."""

    def tiers() -> Callable[[str], tuple[str, ...]]:
        return cache(lambda unit: tiers_of(node.directory, unit))  # for one request: certificates come and go

    def build(erasure: Erasure, who: Visit, above: Callable[[str], tuple[str, ...]]) -> dict[str, Any]:
        words = words_of(erasure, above(erasure.unit))
        doubt = node.erasures.doubt(erasure) if erasure.is_ordered else ""
        row = node.model.queries.dossier(erasure.dossier)
        shown = build_erasure(erasure, words, names(who.t), who.t, here=node.unit, me=who.speaker.urn, doubt=doubt)
        grants, at = node.model.grants(node.database), format_time(who.now)
        return shown | {
            "code": row.code if row else "",
            "applicant": row.applicant if row else "",
            "here": bool(row),
            "leads": grants.holds(who.speaker.urn, "leader", erasure.unit, at),
            "begun": node.erasing.has_begun(erasure.id),
        }

    @desk.get("/erasures")
    def erasures() -> str | Response:
        who = visit()
        node.model.follower.catch_up(node.database)
        known, above = node.erasures.all(), tiers()
        own = sorted({each.dossier for each in known if each.unit == node.unit and not each.is_stopped})
        today, keeping = who.now.date(), node.erasures.keeping
        word, offset = parse_asked(request.args)
        counts = keeping.counts(today, own)
        rows = keeping.page(word, today, own, limit=PAGE_ROWS, offset=offset)
        waits = why_waiting(node.trust, node.database, "erasure.proposed", who.now)
        end = offset + len(rows)
        values = {
            "pending": [build(each, who, above) for each in known if not each.confirmed and not each.is_stopped],
            "stopped": [build(each, who, above) for each in reversed(known) if each.is_stopped][:LISTED],
            "orders": [build(each, who, above) for each in newest(known, above)],
            "tabs": build_tabs(word, counts, who.t),
            "word": word,
            "ruled": bool(keeping.rules()),
            "rows": [build_kept(each, today, names(who.t), who.t) for each in rows],
            "here": request.full_path.rstrip("?"),
            "more": url_for("desk.erasures", of=word, offset=end) if end < counts[word] else "",
            "waits": who.t.of(waits) if waits else "",
            "may": node.model.grants(node.database).holds(who.speaker.urn, "leader", node.unit, format_time(who.now)),
            "stream": units.unit_stream(node.unit),
        }
        return show("desk/_erasures.html" if is_fragment() else "desk/erasures.html", "erasures", who, **values)

    @desk.get("/erasures/<of>")
    def erasure(of: str) -> str:
        who = visit()
        node.model.follower.catch_up(node.database)
        found = node.erasures.get(of)
        couchdb = node.home.settings.engine.kind == "couchdb"
        return show("desk/erasure.html", "erasures", who, e=build(found, who, tiers()), couchdb=couchdb)


def parse_asked(arguments: Any) -> tuple[Word, int]:
    """Return which closed dossiers are asked for, and from which row on; what is no answer to that is the first."""
    word = next((each for each in WORDS if each == arguments.get("of")), WORDS[0])
    offset = str(arguments.get("offset", ""))
    return word, min(int(offset), _LONGEST_OFFSET) if offset.isascii() and offset.isdigit() and len(offset) < 9 else 0


def newest(known: Sequence[Erasure], tiers: Callable[[str], Sequence[str]]) -> list[Erasure]:
    """Return the confirmed erasures to show: those under way first, then the newest."""
    confirmed = [each for each in known if each.is_ordered]
    open_ = [each for each in confirmed if len(each.done) < len(tiers(each.unit))]
    rest = [each for each in confirmed if len(each.done) >= len(tiers(each.unit))]
    return [*reversed(open_), *reversed(rest)][:LISTED]


def build_tabs(word: Word, counts: dict[Word, int], t: Translator) -> list[dict[str, Any]]:
    """Return the tabs over closed dossiers."""
    return [
        {
            "href": url_for("desk.erasures", of=each),
            "label": t(f"erasures.{each}"),
            "here": each == word,
            "count": counts[each],
        }
        for each in WORDS
    ]


def build_kept(kept: Kept, today: date, names: Names, t: Translator) -> dict[str, Any]:
    """Return one closed dossier with what the rules say of it."""
    rule = kept.rule
    return {
        "stream": kept.row.stream,
        "code": kept.row.code or "…" + kept.row.stream[-8:],
        "applicant": kept.row.applicant,
        "procedure": names.procedure(kept.row.procedure),
        "closed": day_text(kept.closed),
        "until": day_text(kept.ends) if kept.ends else t("erasures.forever" if rule else "erasures.unknown.until"),
        "rule": rule.source if rule else "",
        "period": "" if rule is None else period_text(rule.years, t),
        "mark": rule.mark if rule else "",
        "mark_text": t(f"erasures.mark.{rule.mark}") if rule else "",
        "over": kept.is_over(today),
        "known": rule is not None,
    }


def build_erasure(
    erasure: Erasure, words: Sequence[NodeWord], names: Names, t: Translator, *, here: str, me: str, doubt: str
) -> dict[str, Any]:
    """Return one erasure as pages show it. `words` are the nodes' parts, `here` this node's unit, `me` the reader."""
    done = sum(1 for each in words if each.done)
    state, tag = _state(erasure, done, len(words), doubt, t)
    return {
        "id": erasure.id,
        "dossier": erasure.dossier,
        "short": "…" + erasure.dossier[-8:],
        "unit": names.unit(erasure.unit),
        "ours": erasure.unit == here,
        "basis": erasure.basis,
        "rule": erasure.rule,
        "ended": day_text(date.fromisoformat(erasure.ended[:10])),
        "events": len(erasure.events),
        "files": len(erasure.files),
        "proposer": names.actor(erasure.proposer),
        "proposed": time_text(erasure.proposed_at),
        "confirmer": names.actor(erasure.confirmer) if erasure.confirmer else "",
        "confirmed": time_text(erasure.confirmed_at),
        "confirmation": erasure.confirmed,
        "by_node": units.unit_of_node(erasure.proposer) is not None,
        "mine": erasure.proposer == me,
        "state": state,
        "tag": tag,
        "doubt": doubt_text(doubt, t) if doubt else "",
        "done": done,
        "of": len(words),
        "open": erasure.is_ordered and done < len(words),
        "stream": units.unit_stream(erasure.unit),
        "stop": build_stop(erasure.stop, names, t) if erasure.stop else None,
        "stopped": erasure.is_stopped,
        "executed": erasure.is_executed,
        "nodes": [_node(each, names, t) for each in words],
    }


def build_stop(stop: Stop, names: Names, t: Translator) -> dict[str, str]:
    """Return who took a proposal back or refused it, when and why, as pages show it."""
    return {
        "id": stop.id,
        "kind": stop.kind,
        "label": t(f"erasures.stop.{stop.kind}"),
        "who": names.actor(stop.actor),
        "when": time_text(stop.at),
        "reason": stop.reason,
    }


def _state(erasure: Erasure, done: int, of: int, doubt: str, t: Translator) -> tuple[str, str]:
    if erasure.is_stopped and erasure.stop is not None:
        return t(f"erasures.state.{erasure.stop.kind}"), "tag--info"
    if not erasure.confirmed:
        return t("erasures.state.pending"), "tag--wait"
    if doubt and done < of:
        return t("erasures.state.doubt"), "tag--bad"
    if done < of:
        return t("erasures.state.partly", done=done, of=of), "tag--wait"
    return t("erasures.state.done", done=done, of=of), "tag--good"


def _node(word: NodeWord, names: Names, t: Translator) -> dict[str, Any]:
    done = word.done
    return {
        "name": names.unit(word.unit),
        "code": word.unit,
        "done": bool(done),
        "state": t("erasures.node.done") if done else t("erasures.node.waits"),
        "when": time_text(done.at) if done else "",
        "counts": t("erasures.counts", events=done.events, files=done.files, chunks=done.chunks) if done else "",
    }


def doubt_text(doubt: str, t: Translator) -> str:
    """Return why this node waits, and what happens next."""
    key = f"erasures.doubt.{doubt}"
    return t(key if key in t else "erasures.doubt.other")


def period_text(years: int | None, t: Translator) -> str:
    """Return how long a rule keeps: "20 năm", "vĩnh viễn"."""
    return t("erasures.forever") if years is None else t("erasures.years", count=years)


def day_text(day: date) -> str:
    """Return a day as it is written at a counter: "21/11/2026"."""
    return day.strftime("%d/%m/%Y")
