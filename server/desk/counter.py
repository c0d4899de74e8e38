"""Enrolment of a phone without a network: the desk reads its QR code, and shows one with the certificate for it.

Both codes hold what would have gone over the network otherwise, and nothing is believed because of the road it took:
the request proves its own key, and the phone checks the certificate against the authority it knows (docs/formats/).
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import segno
from flask import Blueprint, redirect, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from crypto import base64url
from crypto.certificates import parse_certificate
from server.api.origin import own_origin
from server.desk.translate import Translator, time_text
from server.desk.visit import Visit
from server.dossier import units
from server.dossier.times import format_time
from server.enrolment import Enrolment
from server.errors import NotReady, Refused
from server.node.assembly import Node
from server.scan import MAX_IMAGE_BYTES, read_qr

ANSWER_PAGE: Final = "/#/register/"
_MOST_FORM_BYTES: Final = MAX_IMAGE_BYTES + 64 * 1024
_MOST_TEXT_CHARS: Final = 10_000
_FAULTS: Final = frozenset({"too_large", "bad_image", "no_code", "malformed", "schema", "bad_text", "not_nfc"})


def add_counter_pages(
    desk: Blueprint, node: Node, visit: Callable[[], Visit], show: Callable[..., str], listing: Callable[..., str]
) -> None:
    """Add what reads a request, refuses one, and shows a certificate. `listing` is the page of those who wait,
    with a fault."""

    @desk.post("/enrolments/read")
    def read_request() -> AnyResponse | tuple[str, int]:
        request.max_content_length = _MOST_FORM_BYTES
        who = visit()
        try:
            found = node.people.take_at_counter(_asked_text())
        except (Refused, NotReady) as exc:
            return listing(fault=_fault(exc, who.t)), exc.status
        if found.state != "pending":
            return redirect(url_for("desk.enrolment", thumbprint=found.thumbprint), 303)
        return redirect(url_for("desk.enrolments", read=found.thumbprint), 303)

    @desk.post("/enrolments/<thumbprint>/refuse")
    def refuse(thumbprint: str) -> AnyResponse:
        visit()
        reason = request.form.get("reason", "").strip()
        if not reason:
            raise Refused("schema", "Hãy ghi lý do / say why", member="reason")
        node.people.enrolments.refuse(thumbprint, reason, node.clock.now())
        return redirect(url_for("desk.enrolment", thumbprint=thumbprint), 303)

    @desk.get("/enrolments/<thumbprint>")
    def enrolment(thumbprint: str) -> str:
        who = visit()
        found = node.people.state(thumbprint)
        shown = build_enrolment(found, who.t)
        if found.state == "issued" and found.certificate is not None:
            shown |= build_answer(found.certificate, own_origin())
        return show("desk/enrolment.html", "enrolments", who, e=shown, stream=units.unit_stream(node.unit))


def build_enrolment(found: Enrolment, t: Translator) -> dict[str, Any]:
    """Return what the page says about one request."""
    end = parse_certificate(found.certificate).not_valid_after_utc if found.certificate else None
    return {
        "name": found.name,
        "state": found.state,
        "code_text": f"{found.code[:3]} {found.code[3:]}",
        "when": time_text(found.asked),
        "until": time_text(format_time(end)) if end else "",
        "lead": t(f"enrolment.{found.state}"),
        "reason": found.reason or "",
    }


def build_answer(certificate: bytes, origin: str) -> dict[str, Any]:
    """Return the QR code (SVG) and text by which a certificate (DER) goes to its phone: an address of the application
    with the certificate, base64url, in the fragment, which browsers send nowhere."""
    text = f"{origin}{ANSWER_PAGE}{base64url.encode(certificate)}"
    out = BytesIO()
    # Level L: a screen is clean and near, and coarser modules are read by cheaper cameras.
    code = segno.make(text, error="l", micro=False)
    code.save(out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True)
    return {"qr": Markup(out.getvalue().decode("utf-8")), "text": text}  # noqa: S704  # drawn by segno from base64url


def _asked_text() -> str:
    """Return the request in a posted form: out of its picture, else as pasted, typed or read by a hand scanner."""
    try:
        picture = request.files.get("picture")
    except RequestEntityTooLarge as exc:
        raise Refused("too_large", f"a picture has at most {MAX_IMAGE_BYTES >> 20} MB") from exc
    if picture is not None and picture.filename:
        return read_qr(picture.stream.read(MAX_IMAGE_BYTES + 1)).strip()
    return "".join(request.form.get("request", "")[:_MOST_TEXT_CHARS].split())


def _fault(error: Refused | NotReady, t: Translator) -> str:
    word = error.error if isinstance(error, Refused) and error.error in _FAULTS else ""
    kind = "text" if word in ("malformed", "schema", "bad_text", "not_nfc") else word
    return f"{t(f'counter.fault.{kind}')} ({error.reason})" if kind else error.reason
