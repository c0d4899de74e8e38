"""The desk's page on the node itself: what needs a person, and the evidence of an alarm as a page to print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import Blueprint

from crypto.errors import CryptoError
from crypto.note import parse_checkpoint
from server.desk.translate import Translator, time_text
from server.desk.visit import Visit
from server.dossier.granting import CONFIRMING
from server.errors import Missing
from server.health.examining import examine, urgent
from server.health.finding import Finding
from server.log.alarms import Alarm
from server.node.assembly import Node

_TAGS: Final = {"alarm": "tag--bad", "fault": "tag--wait", "warning": "tag--info"}


def add_health_pages(desk: Blueprint, node: Node, visit: Callable[[], Visit], show: Callable[..., str]) -> None:
    """Add `/desk/health` and the page of each alarm."""

    @desk.get("/health")
    def health() -> str:
        who = visit()
        return show("desk/health.html", "health", who, findings=[build_finding(each, who.t) for each in examine(node)])

    @desk.get("/health/<event>")
    def alarm(event: str) -> str:
        who = visit()
        found = next((each for each in node.alarms.known() if each.event == event), None)
        if found is None:
            raise Missing(who.t("not_found.alarm"))
        return show("desk/alarm.html", "health", who, a=build_alarm(found, who.t))


def build_banner(node: Node, roles: Sequence[str], t: Translator) -> dict[str, Any] | None:
    """Return what stands above every page for leaders and administrators, None if nothing is urgent.

    That revocation lists have lapsed or will is said to everybody there already.
    """
    if set(CONFIRMING).isdisjoint(roles):
        return None
    found = [each for each in urgent(node) if not each.code.startswith("crl_")]
    if not found:
        return None
    text = t.of(found[0].what)
    rest = len(found) - 1
    return {
        "text": t("health.banner.more", text=text, count=rest) if rest else f"{text}.",
        "alarm": found[0].level == "alarm",
    }


def build_finding(found: Finding, t: Translator) -> dict[str, str]:
    """Return what the page says about one finding."""
    return {
        "level": t(f"health.level.{found.level}"),
        "tag": _TAGS[found.level],
        "what": _capital(t.of(found.what)),
        "todo": _capital(t.of(found.todo)),
        "since": time_text(found.since),
        "page": found.page,
    }


def build_alarm(alarm: Alarm, t: Translator) -> dict[str, Any]:
    """Return what the page says about an alarm: both heads side by side, and as they were signed."""
    return {
        "origin": alarm.origin,
        "unit": alarm.unit,
        "when": time_text(alarm.at),
        "reason": alarm.reason,
        "event": alarm.event,
        "heads": [_head(t(f"alarm.{name}"), note) for name, note in (("known", alarm.known), ("shown", alarm.shown))],
    }


def _head(title: str, note: str) -> dict[str, str]:
    try:
        checkpoint = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
    except CryptoError:
        return {"title": title, "note": note, "size": "", "root": ""}
    return {"title": title, "note": note, "size": str(checkpoint.size), "root": checkpoint.root.hex()}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
