"""`_changes`: the feed of a database, whole, waiting or without end.

normal      {"results":[ rows ], "last_seq":…, "pending":…}          in pieces, so that 100,000 rows cost one page
longpoll    the same, begun at once and finished with the first rows
continuous  a row a line, for ever or until `timeout` without news
eventsource the same as server-sent events
"""

from __future__ import annotations

from typing import Any

from flask import Response

from replication.document import Seq
from replication.errors import BadRequest
from replication.http.answers import is_known, not_modified, stream
from replication.http.exchange import Exchange
from replication.http.feed import EVENT_BEAT, Feed, FeedOptions, as_event, as_line
from replication.http.filters import parse_filter
from replication.http.query import flag, parse_positive
from replication.store import ZERO, Database

FEEDS = ("normal", "continuous", "longpoll", "eventsource")
BAD_FEED = "Supported `feed` types: normal, continuous, live, longpoll, eventsource"


def changes(x: Exchange) -> Response:
    """`GET|POST /db/_changes`."""
    if x.method == "POST":
        x.require_json_type()
    database = x.open()  # before the body: who may not read here takes no memory for one
    body: dict[str, Any] = x.json_object(or_empty=True) if x.method == "POST" else {}
    options = parse_options(x, database, body)
    headers: dict[str, str] = {}
    if options.feed == "normal":
        info = database.info()
        etag = f'"{info.instance_start_time}-{info.update_seq}"'
        if is_known(x, etag):
            return not_modified(etag)
        headers["ETag"] = etag
    feed = Feed(x.stopping, database, options, x.share)
    first = feed.first()  # refusals come before the status line
    if options.feed == "normal":
        return stream(x, feed.normal(first), headers=headers)
    if options.feed == "longpoll":
        return stream(x, feed.longpoll(first), gzip=False)
    if options.feed == "eventsource":
        headers = {"Cache-Control": "no-cache"}
        return stream(
            x,
            feed.endless(first, as_event, EVENT_BEAT),
            gzip=False,
            content_type="text/event-stream",
            headers=headers,
        )
    return stream(x, feed.endless(first, as_line, b"\n"), gzip=False)


def parse_options(x: Exchange, database: Database, body: dict[str, Any]) -> FeedOptions:
    """Return the options of a request. Raises `BadRequest` with CouchDB's reasons."""
    query = x.query
    feed = query.get("feed", "normal")
    feed = "continuous" if feed == "live" else feed
    if feed not in FEEDS:
        raise BadRequest(BAD_FEED)
    beat = query.get("heartbeat")
    longest = x.limits.max_feed_wait_s
    style = query.get("style", "main_only")
    if style not in ("main_only", "all_docs"):
        raise BadRequest(f"Invalid style {style!r}: main_only or all_docs")
    return FeedOptions(
        feed=feed,
        since=_parse_since(x, database, feed),
        limit=_parse_limit(query.get("limit")),
        descending=flag(query, "descending"),
        all_leaves=style == "all_docs",
        include_docs=flag(query, "include_docs"),
        conflicts=flag(query, "conflicts"),
        attachments=flag(query, "attachments"),
        encoding_info=flag(query, "att_encoding_info"),
        encoded=flag(query, "att_encoded"),
        heartbeat_s=None if beat is None else min(longest, _parse_heartbeat(beat, longest)),
        timeout_s=min(longest, _parse_timeout(query.get("timeout"), longest)),
        seq_interval=_parse_seq_interval(query.get("seq_interval")),
        filter=parse_filter(x, body),
    )


def _parse_since(x: Exchange, database: Database, feed: str) -> Seq:
    since = x.query.get("last-event-id", x.query.get("since"))
    if feed == "eventsource":  # a browser that reconnects says where it was
        since = x.environ.get("HTTP_LAST_EVENT_ID", since)
    if not since:
        return ZERO
    since = since.strip('"')  # some clients send the seq as JSON
    return database.info().update_seq if since == "now" else Seq(since)


def _parse_limit(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return max(0, int(text))
    except ValueError:
        raise BadRequest(f"limit must be a whole number, got {text[:40]!r}") from None


def _parse_heartbeat(text: str, longest: float) -> float:
    return longest if text == "true" else parse_positive("heartbeat", text) / 1000


def _parse_timeout(text: str | None, longest: float) -> float:
    if text is None:
        return longest
    try:
        return max(0, int(text)) / 1000
    except ValueError:
        raise BadRequest(f"timeout must be a whole number of milliseconds, got {text[:40]!r}") from None


def _parse_seq_interval(text: str | None) -> int:
    if text is None:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise BadRequest("invalid_seq_interval")
    return int(text)
