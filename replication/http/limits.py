"""How much one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request, in bytes unless the name says otherwise. What exceeds one is refused by name (413).

    CouchDB's own defaults are 4 GiB a request and 8 MB a document; a commune's node has less memory than that.
    `max_json` and `max_json_marks` together bound what a JSON body may become in memory: commas, colons and brackets
    are counted before it is read, because "[[],[],…" is thirty times as large once it is a list of lists.
    """

    max_body: int = 64 * MIB
    max_inflated_body: int = 24 * MIB
    max_json: int = 16 * MIB
    max_json_marks: int = 300_000
    max_attachment: int = 64 * MIB
    max_docs: int = 10_000  # of one _bulk_docs, _bulk_get, _revs_diff or keys
    max_json_depth: int = 512
    max_query_fields: int = 100
    max_uri: int = 16 * KIB
    max_uuids: int = 1000  # CouchDB's
    max_purge_docs: int = 100  # CouchDB's
    max_purge_revs: int = 1000  # CouchDB's
    shared_memory: int = 256 * MIB  # of all requests together for large bodies and answers; small machines have 1 GiB
    shared_wait_s: float = 2.0  # how long nothing may move before whoever came last is asked to come again
    json_swell: int = 4  # a JSON body's text, its values, and what is stored of them, all at once
    max_feed_wait_s: float = 60.0  # CouchDB's changes_timeout
    max_query_s: float = 60.0  # of one _find
    min_body_rate: int = 100  # bytes a second a body must reach once its grace is over
    body_grace_s: float = 60.0
