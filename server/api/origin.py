"""The address by which the present request reached this node, as browsers write it in `Origin` (RFC 6454 §6.2).

Not werkzeug's `host_url`: it is empty for a name with an underscore, which Windows machines have, and shows an
internationalised one in Unicode, which no browser sends.
"""

from __future__ import annotations

import re

from flask import request

_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def own_host() -> str:
    """Return host and port as the client named them, "" if that is nothing a browser would send."""
    host = request.headers.get("Host", "").lower()
    return host if _HOST.fullmatch(host) else ""


def own_origin() -> str:
    """Return scheme, host and port: "https://ubnd_xa:8801"."""
    return f"{request.scheme}://{own_host()}"
