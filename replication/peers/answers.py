"""What an answer of a CouchDB peer means: a JSON value, a refusal in CouchDB's words, or a stranger on the line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replication import errors
from replication.errors import BadRequest, NotAPeer, StoreError, Unavailable
from replication.jsontext import MAX_DEPTH
from replication.jsontext import parse_json as parse_text
from replication.peers.wire import Answer

DEFAULT_RETRY_AFTER_S = 5.0
MAX_RETRY_AFTER_S = 600.0


class Busy(Unavailable):
    """429 or 503: the peer asks to come back after `retry_after_s` seconds."""

    def __init__(self, reason: str, retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


_BY_WORD: dict[str, type[StoreError]] = {
    kind.error: kind
    for kind in (
        errors.BadRequest,
        errors.IllegalDocId,
        errors.IllegalDatabaseName,
        errors.DocValidation,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.NotAcceptable,
        errors.Conflict,
        errors.DatabaseExists,
        errors.MissingStub,
        errors.TooLarge,
        errors.BadContentType,
        errors.RangeNotSatisfiable,
        errors.NotImplementedHere,
        errors.StorageFull,
    )
}
_BY_STATUS: dict[int, type[StoreError]] = {
    kind.status: kind
    for kind in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.Conflict,
        errors.MissingStub,
        errors.TooLarge,
        errors.BadContentType,
        errors.NotImplementedHere,
        errors.StorageFull,
    )
}


class Unreadable(NotAPeer):
    """An answer that calls itself JSON and is not."""


def check_peer(status: int, headers: Mapping[str, str]) -> None:
    """Raise `NotAPeer` for an answer no CouchDB peer gives: a redirect, or a web page."""
    if 300 <= status < 400 and status != 304:
        where = headers.get("location", "somewhere")[:200]
        raise NotAPeer(f"the answer redirects to {where}; a login page of the network may be in the way")
    if "html" in headers.get("content-type", "").lower():
        raise NotAPeer(f"a web page came instead of the peer's answer (status {status})")


def parse_json(answer: Answer) -> Any:
    """Return the JSON value of a successful answer.

    Raises the `StoreError` a refusal names, `Busy` for 429 and 503, `Unavailable` for 408, and `Unreadable` for what is
    not JSON.
    """
    try:
        # A few levels are the answer's own, around a document as deep as documents may be.
        value = parse_text(answer.body, max_depth=MAX_DEPTH + 8)
    except BadRequest as exc:
        raise Unreadable(f"the answer (status {answer.status}) is not JSON") from exc
    if answer.status >= 400:
        raise build_error(answer, value)
    return value


def build_error(answer: Answer, value: Any) -> StoreError:
    """Return the error an answer of status ≥ 400 stands for."""
    body = value if isinstance(value, dict) else {}
    word, reason = str(body.get("error", "")), str(body.get("reason", ""))
    reason = reason or word or f"status {answer.status}"
    if answer.status in (429, 503):
        return Busy(reason, parse_retry_after(answer.headers.get("retry-after", "")))
    if answer.status == 408:  # the line was too slow for the peer's patience: no word on what was being sent
        return Unavailable(reason)
    kind = _BY_WORD.get(word)
    if kind is None or kind.status != answer.status:
        kind = _BY_STATUS.get(answer.status)
    if kind is not None:
        error = kind(reason)
    else:
        error = StoreError(reason)
        error.status = answer.status
    if word:
        error.error = word
    return error


def parse_retry_after(value: str) -> float:
    """Return the seconds of a Retry-After header, bounded; dates and nonsense give the default."""
    if value.isascii() and value.isdigit() and len(value) < 9:
        return min(float(value), MAX_RETRY_AFTER_S)
    return DEFAULT_RETRY_AFTER_S
