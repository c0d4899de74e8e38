"""`GET /_tram/seqs`: how far every database open to the sender has got, in one answer.

    GET /_tram/seqs?wait=50                      200  ETag: "9f2c…"
    If-None-Match: "77ab…"                            {"uuid":"…","seqs":{"u-h41-12-03":"812-1f3a9c2e",…}}

304 where nothing has moved since the entity tag was given; with `wait`, only after so many seconds without news. The
tag covers the store's uuid, the names and the seqs: a restored or cloned store never answers 304. One of the extras
that `tram-sync/1` in the greeting announces; who does not know it asks each database's `_changes`.
"""

from __future__ import annotations

import hashlib
import time

from flask import Response

from replication.errors import BadRequest, Forbidden, NotFound, Unauthorized
from replication.http.answers import answer, is_known, not_modified
from replication.http.exchange import Exchange
from replication.http.life import life_header
from replication.jsontext import dump_json

# Databases have no common signal; a look costs 20 µs for each.
LOOK_S = 0.5


def seqs(x: Exchange) -> Response:
    """`GET /_tram/seqs`."""
    until = time.monotonic() + min(_parse_wait(x), x.limits.max_feed_wait_s)
    held = _look(x)
    while (
        is_known(x, _tag(x, held)) and (left := until - time.monotonic()) > 0 and not x.stopping.wait(min(LOOK_S, left))
    ):
        try:
            held = _look(x)
        except Unauthorized:  # the token ran out meanwhile; the next request brings another
            break
    tag = _tag(x, held)
    if is_known(x, tag):
        return not_modified(tag, life_header(x))
    return answer(x, {"uuid": x.access.uuid, "seqs": held}, headers={"ETag": tag, **life_header(x)})


def _parse_wait(x: Exchange) -> float:
    text = x.query.get("wait", "0")
    if not text.isdecimal() or len(text) > 6:
        raise BadRequest(f"wait must be a whole number of seconds, got {text[:40]!r}")
    return float(text)


def _look(x: Exchange) -> dict[str, str]:
    found = {}
    for name in x.access.names(x.credentials):
        try:
            found[name] = str(x.access.open(name, x.credentials).info().update_seq)
        except (NotFound, Forbidden):  # gone in between
            continue
    return found


def _tag(x: Exchange, held: dict[str, str]) -> str:
    text = dump_json([x.access.uuid, sorted(held.items())])
    return f'"{hashlib.sha256(text).hexdigest()[:32]}"'
