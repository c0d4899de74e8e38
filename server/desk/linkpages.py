"""The desk's page on links: how each stands, kept fresh cheaply; and, for administrators, what each may carry.

The page asks again every few seconds with the digest of what it shows and is answered 204 while nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from server.desk import linkview
from server.desk.translate import Translator
from server.desk.visit import Visit
from server.errors import Missing, NotAllowed, Refused
from server.links.allowance import ClassRule, Kind, LinkRules, parse_bytes, parse_hours
from server.node.assembly import Node

_MOST_CHARS = 200


def add_link_pages(
    desk: Blueprint, node: Node, visit: Callable[[], Visit], show: Callable[..., str], is_fragment: Callable[[], bool]
) -> None:
    """Add `/desk/links` and what its forms post to. `visit` tells who asks, `show` renders a page of the desk."""

    def page(who: Visit, **changes: Any) -> str:
        statuses = node.sync.status()
        admin = "admin" in who.speaker.roles
        values: dict[str, Any] = {
            "links": linkview.build_links(statuses, who.t),
            "refusals": linkview.build_refusals(node.sync.refusals.newest()),
        }
        values["seen"] = _digest(values)
        values["settings"] = linkview.build_settings(statuses, who.t) if admin else []
        values["saved"] = request.args.get("saved", "")[:64]
        return show("desk/_links.html" if is_fragment() else "desk/links.html", "links", who, **(values | changes))

    def admin() -> Visit:
        who = visit()
        if "admin" not in who.speaker.roles:
            raise NotAllowed(who.t("rules.admins"))
        return who

    @desk.get("/links")
    def links() -> str | Response:
        who = visit()
        if is_fragment() and request.args.get("seen") == _digest_of(node, who.t):
            return Response(status=204)
        return page(who)

    @desk.post("/dossiers/<stream>/first")
    def push_first(stream: str) -> AnyResponse:
        who = visit()
        if node.model.queries.dossier(stream) is None:
            raise Missing(who.t("not_found.dossier"))
        if request.form.get("undo"):
            node.firsts.remove(stream)
        else:
            node.firsts.add(stream, by=who.speaker.urn, at=node.clock.now())
        return redirect(url_for("desk.dossier", stream=stream), 303)

    @desk.post("/links/<name>/rules")
    def set_rules(name: str) -> str | AnyResponse | tuple[str, int]:
        who = admin()
        before = node.links.rules(name)
        values = {field: request.form.get(field, "").strip()[:_MOST_CHARS] for field in linkview.FIELDS}
        rules, faults = read_rules(before, values, who.t)
        if faults:
            settings = linkview.build_settings(node.sync.status(), who.t)
            for each in settings:
                if each["name"] == name:
                    each["fields"] = linkview.build_fields(values, who.t)
                    each["faults"] = faults
            return page(who, settings=settings), 400
        by = node.model.queries.name_of(who.speaker.urn) or who.speaker.urn
        node.links.set_rules(name, rules, by=by, at=node.clock.now())
        return redirect(url_for("desk.links", saved=name), 303)

    @desk.post("/links/<name>/<word>")
    def switch(name: str, word: str) -> AnyResponse:
        who = admin()
        if word not in ("pause", "resume"):
            raise Refused("schema", who.t("not_found"))
        node.links.set_paused(name, word == "pause")
        return redirect(url_for("desk.links"), 303)


def build_first(node: Node, stream: str, t: Translator) -> dict[str, str] | None:
    """Return what a dossier's page says about its place on the line, None at a node without links."""
    row = node.model.queries.dossier(stream)
    if row is None or not node.links.all():
        return None
    place = node.firsts.place(stream)
    unsent = node.sync.unsent(stream, row.database, node.wanted)
    queue = _queue_text(unsent, t)
    if not place:
        return {"text": queue, "undo": ""}
    return {"text": f"{t('first.place', place=place, count=len(node.firsts.all()))} {queue}", "undo": "1"}


def _queue_text(unsent: Mapping[str, int], t: Translator) -> str:
    if not unsent:  # no link has been up since the start: nothing is known, which is not the same as nothing waits
        return t("first.unknown")
    count = sum(unsent.values())
    return t("first.unsent", count=count) if count else t("first.sent")


def read_rules(before: LinkRules, values: Mapping[str, str], t: Translator) -> tuple[LinkRules, list[dict[str, str]]]:
    """Return the rules that a form's fields make of `before`, and what is wrong with which field."""
    faults: list[dict[str, str]] = []

    def read(field: str, parse: Callable[[str], Any], hint: str) -> Any:
        try:
            return parse(values[field])
        except Refused:
            faults.append({"field": field, "text": t(f"rules.bad.{hint}", label=t(f"rules.{field}"))})
            return None

    rules = replace(before, daily=read("daily", parse_bytes, "size"))
    for kind in Kind:
        hours = read(f"{kind}_hours", parse_hours, "hours")
        daily = read(f"{kind}_daily", parse_bytes, "size")
        rules = rules.with_class(kind, ClassRule(hours or (), daily))
    return rules, faults


def _digest_of(node: Node, t: Translator) -> str:
    return _digest(
        {
            "links": linkview.build_links(node.sync.status(), t),
            "refusals": linkview.build_refusals(node.sync.refusals.newest()),
        }
    )


def _digest(values: Mapping[str, Any]) -> str:
    return sha256(orjson.dumps(values)).hexdigest()[:16]
