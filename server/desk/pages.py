"""The desk's pages: who asks, what the read model answers, which template shows it.

Reading needs a session (a cookie got by signing a token, `/desk/login`). Every step that changes a dossier is signed in
the browser and goes through `/api/events` like any other event; nothing here writes into a store.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_htmx import HTMX
from werkzeug.exceptions import LengthRequired
from werkzeug.wrappers import Response as AnyResponse

from server.api.drafting import why_waiting
from server.api.headers import DESK_POLICY
from server.api.speaker import Speakers
from server.desk import lists, view
from server.desk.answers import build_answers
from server.desk.bundles import add_usb_pages
from server.desk.counter import add_counter_pages
from server.desk.erasures import Names, add_erasure_pages
from server.desk.faults import add_fault_pages, own_page
from server.desk.health import add_health_pages, build_banner
from server.desk.linkpages import add_link_pages, build_first
from server.desk.people import add_people_pages, build_choices
from server.desk.roles import build_roles
from server.desk.translate import DEFAULT, LANGUAGES, Translator, time_text
from server.desk.visit import Visit
from server.dossier import units
from server.dossier.event import build_stream_id
from server.dossier.times import format_time
from server.errors import Missing
from server.node.assembly import Node
from server.readmodel.model import Story

LANGUAGE_COOKIE = "tram_lang"
A_YEAR_S = 365 * 24 * 3600
MOST_FORM_BYTES = 64 * 1024


def desk_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the blueprint for everything under `/desk`."""
    desk = Blueprint("desk", __name__, url_prefix="/desk", static_folder="static", template_folder="templates")
    htmx = HTMX()

    def visit() -> Visit:
        return Visit(speakers.official(), _translator(), node.clock.now())

    def show(template: str, page: str, visit: Visit, **values: Any) -> str:
        waiting = len(node.people.enrolments.pending())
        menu = [
            {"href": "/desk", "label": visit.t("menu.queue"), "here": page == "queue", "count": 0},
            {
                "href": "/desk/enrolments",
                "label": visit.t("menu.enrolments"),
                "here": page == "enrolments",
                "count": waiting,
            },
            {
                "href": "/desk/roles",
                "label": visit.t("menu.roles"),
                "here": page == "roles",
                "count": len(node.people.pending()),
            },
            {"href": "/desk/erasures", "label": visit.t("menu.erasures"), "here": page == "erasures", "count": 0},
            {"href": "/desk/links", "label": visit.t("menu.links"), "here": page == "links", "count": 0},
            {"href": "/desk/usb", "label": visit.t("menu.usb"), "here": page == "usb", "count": 0},
        ]
        person = {"name": _name_of(node, visit.speaker.urn, visit.t)}
        banner = build_banner(node, visit.speaker.roles, visit.t)
        common = _common(node, visit.t) | {"menu": menu, "person": person, "banner": banner, "place": page}
        return render_template(template, **common, **values)

    @desk.before_request
    def bound() -> None:
        """No form here is long; Flask by itself would keep a file of any size on disk, from whoever sends one."""
        request.max_content_length = MOST_FORM_BYTES
        if "Transfer-Encoding" in request.headers:
            raise LengthRequired  # browsers tell how long a form is, so nothing of it has to be read to see that

    @desk.get("/")
    def front() -> AnyResponse:
        return redirect(url_for("desk.queue"))

    @desk.get("")
    def queue() -> str:
        who = visit()
        asked = lists.parse_asked(request.args)
        queries, now = node.model.queries, format_time(who.now)
        page = queries.dossiers(
            lists.build_filter(asked, node.home.unit, now), limit=lists.PAGE_ROWS, offset=asked.offset
        )
        late, held = (
            queries.dossiers(lists.build_filter(lists.Asked(cut, "", 0), node.home.unit, now), limit=1).total
            for cut in ("late", "held")
        )
        end = asked.offset + len(page.rows)
        values = {
            "tabs": lists.build_tabs(asked, queries.counts(node.home.unit), late, held, who.t),
            "rows": lists.build_rows(page.rows, lambda code: _procedure_name(node, code, who.t), who.t, who.now),
            "queue": asked.queue,
            "queue_label": who.t(f"queue.{asked.queue}"),
            "q": asked.text,
            "here": request.full_path.rstrip("?"),
            "more": url_for("desk.queue", queue=asked.queue, q=asked.text, offset=end) if end < page.total else "",
        }
        # A fragment for htmx: the search box keeps its focus, and the answer is a fifth of the page.
        template = "desk/_queue.html" if htmx and not htmx.boosted else "desk/queue.html"
        return show(template, "queue", who, **values)

    @desk.get("/dossiers/<stream>")
    def dossier(stream: str) -> str:
        who = visit()
        story = _story(node, stream, who.t)
        grants, now = node.model.grants(story.row.database), format_time(who.now)
        at_owner = grants.may_decide(who.speaker.urn, story.row.unit, now)
        return show(
            "desk/dossier.html",
            "queue",
            who,
            d=view.build_dossier(story.dossier, _known(node, story, who.t), who.t, who.now),
            actions=view.build_actions(
                story.dossier,
                who.t,
                at_owner=at_owner,
                needs_due=_needs_due(node, story),
                waits=lambda type: why_waiting(node.trust, story.row.database, type, who.now),
            ),
            may_act=at_owner,
            first=build_first(node, stream, who.t),
            may_review=grants.holds(who.speaker.urn, "leader", story.row.unit, now),
            me=who.speaker.urn,
        )

    @desk.get("/dossiers/<stream>/slip")
    def slip(stream: str) -> str:
        who = visit()
        story = _story(node, stream, who.t)
        if not story.dossier.code:
            raise Missing(who.t("not_found.slip"))
        vietnamese = Translator(DEFAULT)  # the form is Vietnamese whatever language the desk is read in
        return show(
            "desk/slip.html",
            "queue",
            who,
            d=view.build_dossier(story.dossier, _known(node, story, vietnamese), vietnamese, who.now),
            receipt_of=story.dossier.submission if story.row.unit == node.unit else "",
        )

    @desk.get("/file")
    def file() -> str:
        """Filing for somebody without a phone, with the paper they sign."""
        who = visit()
        now = int(who.now.timestamp() * 1000)
        catalogue = node.model.catalogue()
        procedures = [{"code": code, "name": _procedure_name(node, code, who.t)} for code in catalogue.bodies]
        stream = build_stream_id(now, secrets.token_bytes(10))
        return show(
            "desk/file.html", "file", who, procedures=sorted(procedures, key=lambda p: p["name"]), stream=stream
        )

    @desk.get("/enrolments")
    def enrolments(fault: str = "") -> str:
        who = visit()
        waiting = node.people.enrolments.pending()
        read = next((each.name for each in waiting if each.thumbprint == request.args.get("read")), "")
        stream = units.unit_stream(node.home.unit)
        requests = lists.build_enrolments(waiting, lambda each: build_choices(node, each, who.speaker.urn, who.t))
        return show("desk/enrolments.html", "enrolments", who, requests=requests, stream=stream, fault=fault, read=read)

    add_counter_pages(desk, node, visit, show, enrolments)
    add_people_pages(desk, node, visit, show)
    add_health_pages(desk, node, visit, show)

    @desk.get("/roles")
    def roles() -> str:
        who = visit()
        grants, now = node.model.grants(node.database), format_time(who.now)
        shown = build_roles(
            grants.people(node.unit, now),
            node.people.pending(),
            node.model.queries.people(),
            lambda actor: _name_of(node, actor, who.t),
            who.t,
            me=who.speaker.urn,
            may_confirm=grants.may_confirm(who.speaker.urn, node.unit, now),
        )
        return show("desk/roles.html", "roles", who, r=shown, stream=units.unit_stream(node.unit))

    add_link_pages(desk, node, visit, show, lambda: bool(htmx and not htmx.boosted))
    add_usb_pages(desk, node, visit, show, lambda: bool(htmx and not htmx.boosted))
    add_erasure_pages(desk, node, visit, show, lambda: bool(htmx and not htmx.boosted), lambda t: _names(node, t))

    @desk.get("/login")
    def login() -> str:
        t = _translator()
        place = own_page(request.args.get("next", ""))
        return render_template("desk/login.html", **_common(node, t), person=None, next=place)

    @desk.post("/language")
    def language() -> AnyResponse:
        wanted = request.form.get("lang", DEFAULT)
        answer = redirect("/desk")
        answer.set_cookie(
            LANGUAGE_COOKIE, wanted if wanted in LANGUAGES else DEFAULT, max_age=A_YEAR_S, samesite="Lax", httponly=True
        )
        return answer

    def fault(t: Translator, **values: str) -> str:
        return render_template("desk/fault.html", **_common(node, t), person=None, **values)

    add_fault_pages(desk, _translator, fault)

    @desk.after_request
    def policy(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", DESK_POLICY)
        return response

    return desk


def _translator() -> Translator:
    return Translator(request.cookies.get(LANGUAGE_COOKIE, DEFAULT))


def _common(node: Node, t: Translator) -> dict[str, Any]:
    about = {"name": node.home.settings.name, "unit": node.home.unit}
    return {
        "t": t,
        "lang": t.language,
        "other_lang": t.other,
        "other_lang_name": LANGUAGES[t.other],
        "node": about,
        "csrf": "",
        "trust": node.trust.freshness(node.database, node.clock.now()),
    }


def _story(node: Node, stream: str, t: Translator) -> Story:
    try:
        return node.model.story(stream)
    except Missing as exc:
        raise Missing(t("not_found.dossier")) from exc


def _known(node: Node, story: Story, t: Translator) -> view.Known:
    dossier = story.dossier
    procedure = node.model.catalogue().procedure(dossier.procedure)
    doubtful: Mapping[str, str] = {event: verdict.status for event, verdict in node.issuance.doubts(story).items()} | {
        verdict.event: verdict.status for verdict in story.verdicts
    }
    actors = {entry.stored.event.actor for entry in dossier.timeline}
    return view.Known(
        procedure_name=t.of(procedure.name) if procedure else dossier.procedure,
        answers=build_answers(dossier.form, procedure, t),
        parts={each.id: t.of(each.name) for each in procedure.components} if procedure else {},
        names={actor: _name_of(node, actor, t) for actor in actors},
        papers=node.papers.of(file.ref for file in dossier.files),
        present={
            ref.sha256: node.files.presence(dossier.unit, ref.manifest).bytes
            for f in dossier.files
            for ref in (f.ref, *((f.preview,) if f.preview else ()))
        },
        seals={entry.id: doubtful.get(entry.id, "valid") for entry in dossier.timeline},
        log=_log_of(node, story, t),
    )


def _log_of(node: Node, story: Story, t: Translator) -> tuple[str, bool]:
    """Return what the unit's log keeps of the filing, in words, and whether that is alarming: in its own log every
    event has a leaf, of another unit's log the page may not have come yet."""
    filing = story.dossier.submission
    kept = node.proofs.kept(story.row.database, filing) if filing else None
    if kept is None:
        missing = bool(filing) and story.row.database == node.database
        return (t("fact.log.missing") if missing else "", missing)
    if kept.at is None:
        return (t("fact.log.own"), False)
    described = node.model.units().describe(kept.witness, format_time(node.clock.now()))
    return (
        t("fact.log.cosigned", unit=described.name if described else kept.witness, at=time_text(kept.at.isoformat())),
        False,
    )


def _needs_due(node: Node, story: Story) -> bool:
    """Whether no rule sets a time for the procedure, so that the official has to."""
    procedure = node.model.catalogue().procedure(story.dossier.procedure)
    return procedure is None or procedure.time.kind == "none"


def _name_of(node: Node, actor: str, t: Translator) -> str:
    unit = units.unit_of_node(actor)
    if unit is None:
        return node.model.queries.name_of(actor) or t("person.unknown", id=actor[-6:])
    described = node.model.units().describe(unit, format_time(node.clock.now()))
    return described.name if described else unit


def _names(node: Node, t: Translator) -> Names:
    return Names(
        lambda actor: _name_of(node, actor, t),
        lambda unit: _name_of(node, units.node_urn(unit), t),
        lambda code: _procedure_name(node, code, t),
    )


def _procedure_name(node: Node, code: str, t: Translator) -> str:
    procedure = node.model.catalogue().procedure(code)
    return t.of(procedure.name) if procedure else code
