"""Headers every answer carries, and why.

The signing key lives in the browser's IndexedDB and cannot be copied out, but a script that runs in the page can USE
it. So the content security policy is part of the key: no inline code, nothing from elsewhere, no frames.
"""

from __future__ import annotations

from flask import Flask, Response

_PAGE = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # Text becomes markup or a script's address only through the policy named (decision 0170).
        "require-trusted-types-for 'script'",
    )
)
PAGE_POLICY = f"{_PAGE}; trusted-types tram"  # pwa/worker.js: the address of the service worker, nothing else
DESK_POLICY = f"{_PAGE}; trusted-types default"  # desk/static/markup.js: what htmx parses
# For files people sent in: whatever they hold, it runs nowhere and reaches nothing.
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox; frame-ancestors 'self'"

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with it browsers send the desk's own forms with "Origin: null" (Fetch, "append Origin header").
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}


def register_headers(app: Flask) -> None:
    """Add the headers to every answer of `app`; a view that set its own policy keeps it."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in _ALWAYS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")  # what people see here is about people
        return response
