"""CouchDB's refusals as the errors of `replication.errors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replication import errors
from replication.errors import StorageFull, StoreError, Unavailable
from replication.jsontext import parse_json

_KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StoreError)]
_BY_WORD = {kind.error: kind for kind in _KINDS if kind is not StoreError}
# Where classes share a status the first in the file is the general one, except 412: a bare one is a precondition.
_BY_STATUS = {kind.status: kind for kind in reversed(_KINDS) if kind.status not in (412, 500)}
_TOO_LARGE_WORDS = ("document_too_large", "attachment_too_large")
# What a second attempt may find gone: a balancer whose node died under the request, a node that lost another.
_FAILOVER_STATUS = (502, 503)
_FAILOVER_WORDS = ("nodedown", "all_workers_died", "no_majority", "no_quorum")
# CouchDB 3.5 lets it through from Erlang's distribution: 500 badmatch "{'EXIT',noconnection}" as a node dies.
_FAILOVER_TEXTS = ("noconnection", "nodedown")
# "timeout" and "no_majority" come with 500, "nodedown" with 412: a cluster whose other nodes do not answer.
_UNREACHABLE_WORDS = ("timeout", "no_majority", "no_quorum", "nodedown", "all_workers_died", "too_many_requests")


def build_error(status: int, word: str, reason: str) -> StoreError:
    """Return the error for an HTTP status with CouchDB's `error` word and `reason`.

    The word decides first, then the status; the word of CouchDB is kept. What has no class of its own is a plain
    `StoreError` with CouchDB's status.
    """
    reason = reason or word or f"CouchDB answered with status {status}"
    if status == 507 or "enospc" in f"{word} {reason}":
        return StorageFull(f"CouchDB's disk is full: free space there, then try again ({reason})")
    if word in _UNREACHABLE_WORDS or status in (429, 502, 503, 504) or _names_failover(status, word, reason):
        return Unavailable(f"CouchDB cannot answer now: try again, and look at its log ({reason})")
    kind = _BY_WORD.get(word)
    if kind is None or (status and kind.status != status):
        kind = errors.TooLarge if word in _TOO_LARGE_WORDS else _BY_STATUS.get(status)
    error = _build(kind, reason)
    if kind is None and status >= 400:
        error.status = status
    if word:
        error.error = word
    return error


def _build(kind: type[StoreError] | None, reason: str) -> StoreError:
    return kind(reason) if kind is not None else StoreError(reason)


def build_row_error(row: Mapping[str, Any]) -> StoreError:
    """Return the error of one failed row of `_bulk_docs`, which has a word and a reason but no status."""
    return build_error(0, str(row.get("error", "")), str(row.get("reason", "")))


def is_failover(status: int, body: bytes) -> bool:
    """Return whether an answer says that a node of the cluster went away under the request. Never raises.

    A 500 that lists documents is `_bulk_docs` of a cluster in which some of them found no shard. What ran into a time
    limit is no failover: it would run into it again.
    """
    if status in _FAILOVER_STATUS:
        return True
    value = _read(body) if status >= 400 else None
    if isinstance(value, dict):
        return _names_failover(status, str(value.get("error", "")), str(value.get("reason", "")))
    return isinstance(value, list) and status == 500


def _names_failover(status: int, word: str, reason: str) -> bool:
    # Other refusals quote ids and what people wrote; a crash quotes Erlang.
    return word in _FAILOVER_WORDS or (status == 500 and any(text in reason for text in _FAILOVER_TEXTS))


def _read(body: bytes) -> Any:
    try:
        return parse_json(body)
    except errors.BadRequest:
        return None


def parse_refusal(status: int, body: bytes) -> StoreError:
    """Return the error of an answer with a status from 400 up. Never raises: the body may be a proxy's page."""
    value = _read(body)
    if isinstance(value, list) and status >= 500:
        return Unavailable("CouchDB's cluster could not store every document of the request now: try again")
    if not isinstance(value, dict) or "error" not in value:
        if status >= 500:
            return Unavailable(f"no answer of CouchDB came but status {status}: is something else in between?")
        return build_error(status, "", "")
    return build_error(status, str(value["error"]), str(value.get("reason", "")))
