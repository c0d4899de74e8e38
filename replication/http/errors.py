"""Refusals that only HTTP knows, and how any refusal is printed."""

from __future__ import annotations

from replication.errors import StoreError
from replication.jsontext import dump_json


class QueryParseError(StoreError):
    """A query value of a view-like request that is not what its name asks for."""

    status = 400
    error = "query_parse_error"


class RevMissing(StoreError):
    """An attachment was to be put into a revision that is not there: CouchDB answers 409 with the words of a 404."""

    status = 409
    error = "not_found"

    def __init__(self) -> None:
        super().__init__("missing_rev")


class RequestTimeout(StoreError):
    """The body came slower than anybody waits for."""

    status = 408
    error = "timeout"


class TookTooLong(StoreError):
    """A query read documents for longer than any client waits."""

    status = 503
    error = "timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the query was not done after {seconds:.0f} s; narrow its range of ids, or ask for less")


class UriTooLong(StoreError):
    status = 414
    error = "too_long"

    def __init__(self) -> None:
        super().__init__("the request uri is too long")


class OnlyMethods(StoreError):
    """405 with the methods there are, as `GET,HEAD`."""

    status = 405
    error = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Only {allowed} allowed")
        self.allowed = allowed


def render_error(error: str, reason: str) -> bytes:
    """Return the body of a refusal."""
    return dump_json({"error": error, "reason": reason}) + b"\n"
