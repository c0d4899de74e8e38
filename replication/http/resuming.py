"""`GET /_tram/bodies?ids=a,b`: how much is held of bodies that a cut has torn; `bodies` has the whole story."""

from __future__ import annotations

from flask import Response

from replication.http.answers import answer
from replication.http.bodies import default_bodies, parse_names
from replication.http.exchange import Exchange
from replication.http.life import life_header


def bodies(x: Exchange) -> Response:
    """Return the bytes held of each of the sender's own bodies, `true` for those that came whole."""
    names = parse_names(x.query.get("ids", ""))
    return answer(x, {"bodies": default_bodies().sizes(x.sender, names)}, headers=life_header(x))
