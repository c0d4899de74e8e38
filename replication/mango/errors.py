"""What a query can do wrong, in CouchDB's words."""

from __future__ import annotations

from typing import Any

from replication.errors import BadRequest
from replication.jsontext import dump_json


class MangoError(BadRequest):
    """A query that cannot be answered as it stands; `error` is CouchDB's word for why."""


def show(value: Any) -> str:
    """Return a value for an error message, as JSON, shortened."""
    text = dump_json(value).decode(errors="replace")
    return text if len(text) <= 200 else text[:199] + "…"


def bad_arg(operator: str, value: Any) -> MangoError:
    """Return the refusal of an operator's argument."""
    return MangoError(f"Bad argument for operator {operator}: {show(value)}", error="bad_arg")
