"""Values of the query string, which CouchDB writes sometimes as words and sometimes as JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from replication.document import Rev
from replication.errors import BadRequest
from replication.http.errors import QueryParseError
from replication.jsontext import parse_json
from replication.wire import parse_wire_rev


def parse_query(text: str, max_fields: int) -> dict[str, str]:
    """Return the last value of every name in a query string. Raises `BadRequest` for too many or bad escapes."""
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields, errors="strict"))
    except ValueError:
        raise BadRequest("invalid_url_encoding") from None


def parse_path(text: str) -> list[str]:
    """Return the segments of a raw path, each decoded; empty ones vanish, as in CouchDB.

    Splitting comes before decoding: `%2F` belongs to a name. Raises `BadRequest("invalid_url_encoding")`.
    """
    try:
        return [
            unquote_plus(part, errors="strict") if "%" in part or "+" in part else part
            for part in text.split("/")
            if part
        ]
    except UnicodeDecodeError:
        raise BadRequest("invalid_url_encoding") from None


def flag(query: dict[str, str], name: str) -> bool:
    """Return whether a document option is switched on: CouchDB takes `true` and ignores any other word."""
    return query.get(name) == "true"


def parse_bool(name: str, value: object) -> bool:
    """Return a view option given as a word or, in a body, as JSON. Raises `QueryParseError`."""
    if value in ("true", True, '"true"'):
        return True
    if value in ("false", False, '"false"'):
        return False
    raise QueryParseError(f"Invalid boolean parameter: {_quoted(value)}")


def parse_count(name: str, value: object) -> int:
    """Return a whole number of at least 0. Raises `QueryParseError` with CouchDB's reason."""
    count = _parse_integer(value)
    if count is None:
        raise QueryParseError(f"Invalid value for integer: {_quoted(value)}")
    if count < 0:
        raise QueryParseError(f"Invalid value for positive integer: {_quoted(value)}")
    return count


def _parse_integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > 18:
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def parse_json_value(text: str) -> Any:
    """Return a query value that CouchDB writes as JSON, such as `startkey="a"`."""
    return parse_json(text.encode("utf-8", "surrogatepass"))


def parse_revs(value: object) -> list[Rev]:
    """Return a list of revisions. Raises `BadRequest` as CouchDB."""
    if not isinstance(value, list):
        raise BadRequest("Invalid list of revisions")
    return [parse_wire_rev(rev) for rev in value]


def parse_positive(name: str, text: str) -> int:
    """Return a number of milliseconds above 0. Raises `BadRequest` with CouchDB's reasons for `heartbeat`."""
    try:
        number = int(text)
    except ValueError:
        raise BadRequest(f"Invalid {name} value. Expecting a positive integer value (in milliseconds).") from None
    if number <= 0:
        raise BadRequest(f"The {name} value should be a positive integer (in milliseconds).")
    return number
