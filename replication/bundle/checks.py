"""Small checks for the JSON of a bundle: each returns its value, typed, or raises `BadBundle` naming the member."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from replication.bundle.errors import BadBundle

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,79}", re.ASCII)
_SEQ_CHARS = 4200  # CouchDB's of a cluster take some hundred; `replication.sqlite.seqs` reads no more


def text(value: Any, member: str, limit: int = 256) -> str:
    """Return a text of 1 to `limit` characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise BadBundle(f'"{member}" is a text of 1 to {limit} characters')
    return value


def matching(value: Any, pattern: re.Pattern[str], member: str, example: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadBundle(f'"{member}" looks like {example}, got {str(value)[:60]!a}')
    return value


def hex_id(value: Any, member: str) -> str:
    """Return 32 hex digits: the id of a bundle or a store."""
    return matching(value, _ID, member, "32 hex digits")


def time(value: Any, member: str) -> str:
    """Return a time "2026-11-21T07:12:09Z"; two of them compare as text."""
    return matching(value, _TIME, member, "2026-11-21T07:12:09Z")


def database(value: Any, member: str) -> str:
    """Return the name of a database."""
    return matching(value, _NAME, member, "u-h41-12-03")


def seq(value: Any, member: str) -> str:
    """Return a position in a feed."""
    return text(value, member, _SEQ_CHARS)


def whole(value: Any, member: str, most: int, least: int = 0) -> int:
    """Return a whole number from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise BadBundle(f'"{member}" is a number from {least} to {most}, got {str(value)[:40]!a}')
    return value


def flag(value: Any, member: str) -> bool:
    if type(value) is not bool:
        raise BadBundle(f'"{member}" is true or false')
    return value


def table(value: Any, member: str, most: int) -> Mapping[str, Any]:
    """Return an object of at most `most` members."""
    if not isinstance(value, dict) or len(value) > most:
        raise BadBundle(f'"{member}" is an object of at most {most} members')
    return value


def listing(value: Any, member: str, most: int) -> list[Any]:
    """Return a list of at most `most` entries."""
    if not isinstance(value, list) or len(value) > most:
        raise BadBundle(f'"{member}" is a list of at most {most} entries')
    return value


def required(value: Mapping[str, Any], member: str) -> Any:
    if member not in value:
        raise BadBundle(f'"{member}" is missing')
    return value[member]
