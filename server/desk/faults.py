"""What the desk shows instead of a page that cannot be shown: a page in the reader's language, never JSON.

Everything under `/desk` that fails ends here: addresses that lead nowhere, things somebody may not see, methods a page
does not have, and our own faults, whose details go to the node's log and never to the reader.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from server.desk.translate import Translator
from server.errors import Missing, NotSignedIn, ServerError

_LOG = logging.getLogger(__name__)
_OWN_PAGES = frozenset({403, 404})
Render = Callable[..., str]


def add_fault_pages(desk: Blueprint, translator: Callable[[], Translator], render: Render) -> None:
    """Make every exception that leaves a view of `desk` a page. `render(t, title=…, reason=…, again=…)` returns its
    markup; `again` is the page to try once more."""

    @desk.route("/<path:unknown>", methods=["GET", "POST"])
    def nowhere(unknown: str) -> Response:
        raise Missing(translator()("not_found"))

    @desk.errorhandler(NotSignedIn)
    def not_signed_in(_: NotSignedIn) -> AnyResponse:
        login = url_for("desk.login", next=_page_asking())
        if "HX-Request" in request.headers:  # a fragment must not be filled with the login page: send the browser there
            return Response(status=204, headers={"HX-Redirect": login})
        return redirect(login)

    @desk.errorhandler(ServerError)
    def refused(error: ServerError) -> Response:
        t = translator()
        return _page(error.status, t.half(error.reason), t, render)

    @desk.errorhandler(HTTPException)
    def not_a_page(error: HTTPException) -> Response:
        t, status = translator(), error.code or 500
        return _page(status, t("not_found") if status == 404 else t("fault.request", status=status), t, render)

    @desk.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        _LOG.error("unexpected error in a page of the desk", exc_info=error)
        t = translator()
        return _page(500, t("fault.own"), t, render)


def own_page(address: str) -> str:
    """Return `address` if it is a path of the desk, "/desk" otherwise: an address with a host would send a signed-in
    official to somebody else's."""
    return address if address.startswith("/desk") and "//" not in address else "/desk"


def _page_asking() -> str:
    """Return the path of the page to come back to: the one asked for, or the one whose form or list is asking."""
    if request.method == "GET" and "HX-Request" not in request.headers:
        return own_page(request.full_path.rstrip("?"))
    try:
        here = urlsplit(request.referrer or "")
    except ValueError:
        return "/desk"
    return own_page(f"{here.path}?{here.query}".rstrip("?"))


def _page(status: int, reason: str, t: Translator, render: Render) -> Response:
    title = t(f"fault.{status}") if status in _OWN_PAGES else t("fault.title")
    return make_response(render(t, title=title, reason=reason, again=_page_asking()), status)
