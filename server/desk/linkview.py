"""What the desk shows of links, made from values: one sentence on how each stands, figures, rules, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from replication.replicator import Progress
from server.desk.translate import Translator, bytes_text, time_text
from server.links.allowance import Kind, LinkRules, Why, hours_text, size_text
from server.links.refusals import KeptRefusal
from server.links.status import KindStatus, LinkStatus
from server.links.tls import is_readable_on_the_way
from server.links.troubles import CLOCKS_DIFFER_S, explain_trouble

TAGS = {
    "paused": "tag--info",
    "aside": "tag--info",
    "down": "tag--bad",
    "held": "tag--info",
    "working": "tag--wait",
    "idle": "tag--good",
}
FIELDS = ("daily", *(f"{kind}_{what}" for kind in Kind for what in ("hours", "daily")))
_MINUTE_S, _HOUR_S = 60, 3600


def build_links(links: Iterable[LinkStatus], t: Translator) -> list[dict[str, Any]]:
    """Return how each link stands, for `desk/_links.html`."""
    return [_link(link, t) for link in links]


def build_refusals(refusals: Iterable[KeptRefusal]) -> list[dict[str, str]]:
    """Return the refused documents."""
    return [
        {"when": time_text(kept.at), "document": kept.doc_id, "pair": kept.pair, "reason": kept.reason}
        for kept in refusals
    ]


def build_settings(links: Iterable[LinkStatus], t: Translator) -> list[dict[str, Any]]:
    """Return what an administrator may set for each link, as the fields of a form."""
    return [
        {
            "name": link.neighbour.name,
            "title": _title(link, t),
            "paused": link.neighbour.paused,
            "fields": build_fields(rules_values(link.rules), t),
            "changed": t("rules.changed", when=time_text(link.rules_changed[0]), who=link.rules_changed[1])
            if link.rules_changed[0]
            else "",
        }
        for link in links
    ]


def rules_values(rules: LinkRules) -> dict[str, str]:
    """Return rules as people type them, by field; "" where nothing is limited."""
    values = {"daily": "" if rules.daily is None else size_text(rules.daily)}
    for kind in Kind:
        rule = rules.of(kind)
        values[f"{kind}_hours"] = hours_text(rule.hours) if rule.hours else ""
        values[f"{kind}_daily"] = "" if rule.daily is None else size_text(rule.daily)
    return values


def build_fields(values: Mapping[str, str], t: Translator) -> list[dict[str, str]]:
    """Return the fields of a form of rules with what is in them."""
    return [
        {
            "name": name,
            "label": t(f"rules.{name}"),
            "hint": t("rules.hint.hours" if name.endswith("hours") else "rules.hint.size"),
            "value": values.get(name, ""),
        }
        for name in FIELDS
    ]


def _title(link: LinkStatus, t: Translator) -> str:
    place = f"{link.there_name}, {link.neighbour.url}" if link.there_name else link.neighbour.url
    return t(f"links.{link.neighbour.role}", url=place)


def _link(link: LinkStatus, t: Translator) -> dict[str, Any]:
    trouble = explain_trouble(link.last_error) if link.last_error and not link.neighbour.paused else None
    return {
        "name": _title(link, t),
        "state": t(f"link.{link.state}"),
        "tag": TAGS[link.state],
        "sentence": _sentence(link, t),
        "trouble": trouble
        and {
            "said": t.of(trouble.said),
            "next": t.of(trouble.next),
            "since": t("links.since", when=time_text(link.since)),
            "details": link.last_error,
        },
        "warnings": _warnings(link, t),
        "last_success": time_text(link.last_success) if link.last_success else t("links.never"),
        "speed": speed_text(link.rate_bps),
        "today": _today(link, t),
        "refusals": link.refusals,
        "audit": _audit(link, t),
        "kinds": [_kind(kind, link, t) for kind in link.kinds],
        "pairs": [_pair(progress, t) for progress in link.progress],
    }


def _sentence(link: LinkStatus, t: Translator) -> str:
    """Return what the link is doing, in one sentence."""
    if link.state != "working":
        return t(f"links.now.{link.state}")
    return t("links.now.working", what=queue_text(link, t), left=left_text(eta_of(link), t))


def queue_text(link: LinkStatus, t: Translator) -> str:
    """Return what waits: dossiers, documents, bytes where they are known."""
    parts = []
    if link.dossiers_to_go:
        parts.append(t("links.dossiers", count=f"{'> ' if link.dossiers_more else ''}{link.dossiers_to_go}"))
    parts.append(t("links.items", count=sum(kind.queued_docs for kind in link.kinds)))
    sizes = [kind.queued_bytes for kind in link.kinds if kind.queued_docs]
    if sizes and None not in sizes:
        parts.append(bytes_text(sum(size or 0 for size in sizes)))
    return ", ".join(parts)


def eta_of(link: LinkStatus) -> float | None:
    """Return the seconds until everything that may travel is over there, None while nobody can tell."""
    etas = [kind.eta_s for kind in link.kinds if kind.queued_docs and kind.verdict.open]
    known = [eta for eta in etas if eta is not None]
    return sum(known) if known and len(known) == len(etas) else None


def left_text(seconds: float | None, t: Translator) -> str:
    """Return a time for people: "about 3 minutes"."""
    if seconds is None:
        return t("time.unknown")
    if seconds < _MINUTE_S:
        return t("time.soon")
    if seconds < _HOUR_S:
        return t("time.minutes", minutes=round(seconds / _MINUTE_S))
    return t("time.hours", hours=int(seconds // _HOUR_S), minutes=int(seconds % _HOUR_S // _MINUTE_S))


def speed_text(bits: int) -> str:
    """Return a rate: "61 kbit/s", "2,4 Mbit/s", "–" before anything was measured."""
    if not bits:
        return "–"
    if bits < 1_000_000:
        return f"{max(1, round(bits / 1000))} kbit/s"
    return f"{bits / 1_000_000:.1f} Mbit/s".replace(".", ",")


def _warnings(link: LinkStatus, t: Translator) -> list[str]:
    readable = [t("links.readable")] if is_readable_on_the_way(link.neighbour.url) else []
    if abs(link.clock_offset_s) < CLOCKS_DIFFER_S:
        return readable
    ahead = "ahead" if link.clock_offset_s > 0 else "behind"
    return [*readable, t(f"links.clock.{ahead}", minutes=round(abs(link.clock_offset_s) / _MINUTE_S))]


def _today(link: LinkStatus, t: Translator) -> dict[str, Any]:
    used, limit = link.used_today, link.rules.daily
    if limit is None:
        return {"text": bytes_text(used), "used": 0, "limit": 0}
    return {
        "text": t("links.of_limit", used=bytes_text(used), limit=bytes_text(limit)),
        "used": min(used, limit),
        "limit": limit,
    }


def _audit(link: LinkStatus, t: Translator) -> str:
    if link.audit is None:
        return t("links.audit.none")
    when = time_text(link.audit.at)
    if not link.audit.differing:
        return t("links.audit.same", when=when)
    return t("links.audit.mended" if link.audit.mended else "links.audit.open", when=when, count=link.audit.differing)


def _kind(kind: KindStatus, link: LinkStatus, t: Translator) -> dict[str, Any]:
    rule = link.rules.of(kind.kind)
    limit = link.rules.events_cap if kind.kind is Kind.EVENTS else rule.daily
    return {
        "name": t(f"kind.{kind.kind}"),
        "queued": _queued(kind, t) if link.running else t("links.unknown"),
        "today": bytes_text(kind.used_today)
        if limit is None
        else t("links.of_limit", used=bytes_text(kind.used_today), limit=bytes_text(limit)),
        "hours": hours_text(rule.hours).replace(",", ", ") if rule.hours else t("rules.always"),
        "verdict": _verdict(kind, t),
        "held": not kind.verdict.open,
    }


def _queued(kind: KindStatus, t: Translator) -> str:
    if not kind.queued_docs:
        return t("links.none")
    items = t("links.items", count=kind.queued_docs)
    return items if kind.queued_bytes is None else f"{items}, {bytes_text(kind.queued_bytes)}"


def _verdict(kind: KindStatus, t: Translator) -> str:
    if kind.verdict.open:
        return t("rules.may")
    why = Why(kind.verdict.why or Why.HOURS)
    return t(f"rules.why.{why}", left=left_text(kind.verdict.wait_s, t))


def _pair(progress: Progress, t: Translator) -> dict[str, Any]:
    _, _, target = progress.label.partition(" → ")
    return {
        "database": target.rpartition("/")[2].rpartition(" ")[2],
        "direction": t("links.push" if "://" in target else "links.pull"),
        "queued": progress.queued_docs,
        "written": progress.docs_written,
        "state": t(f"job.{progress.state.value}"),
    }
