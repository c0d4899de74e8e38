"""`_changes`: pages of it, and waiting at its end."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from replication.couch.link import Link, Params
from replication.document import DocId, Rev, Seq
from replication.errors import BadRequest
from replication.jsontext import dump_json
from replication.store import ZERO, ChangeRow, ChangesPage, JsonObject

POLL_S = 50.0  # CouchDB ends a longpoll after 60 s (changes_timeout) whatever was asked
ANSWER_MARGIN_S = 30.0
_FOREIGN_SEQ = re.compile(r"[0-9]+(-\S+)?", re.ASCII)
_MALFORMED = "Malformed sequence"


class Feed:
    """The changes of one database."""

    def __init__(self, link: Link, database: str) -> None:
        self._link = link
        self._path = (database, "_changes")

    def page(self, since: Seq, limit: int | None, descending: bool, doc_ids: Sequence[DocId] | None) -> ChangesPage:
        """Return a stretch of the feed, as `Database.changes` promises."""
        params: dict[str, str | int | bool] = {"style": "all_docs"}
        if limit is not None:
            params["limit"] = limit
        if descending:
            params["descending"] = True
        value = None
        if doc_ids is not None:
            params["filter"] = "_doc_ids"
            value = {"doc_ids": list(dict.fromkeys(doc_ids))}
        answer = self._ask(ZERO if descending else since, params, value)
        rows = tuple(_read_row(row) for row in answer["results"])
        return ChangesPage(rows, Seq(str(answer["last_seq"])), answer.get("pending") or 0)

    def wait(self, since: Seq, timeout_s: float) -> bool:
        """Return True as soon as there is something after `since`, False after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(deadline - time.monotonic(), 0.0)
            poll_s = min(left_s, POLL_S)
            params: Params = {"feed": "longpoll", "limit": 1, "timeout": max(int(poll_s * 1000), 1)}
            if self._ask(since, params, None, answer_s=poll_s + ANSWER_MARGIN_S)["results"]:
                return True
            if left_s <= POLL_S:
                return False

    def _ask(self, since: Seq, params: Params, value: JsonObject | None, answer_s: float = 120.0) -> Any:
        try:
            return self._send({**params, "since": since}, value, answer_s)
        except BadRequest as error:
            # CouchDB refuses what is not made by a CouchDB. A well-formed seq of another store means "from 0".
            if _MALFORMED not in error.reason or not _FOREIGN_SEQ.fullmatch(since):
                raise
        return self._send({**params, "since": ZERO}, value, answer_s)

    def _send(self, params: Params, value: JsonObject | None, answer_s: float) -> Any:
        method, body = ("GET", None) if value is None else ("POST", dump_json(value))
        return self._link.request(method, self._path, body, params=params, repeat=True, answer_s=answer_s).json()


def _read_row(row: JsonObject) -> ChangeRow:
    leaves = tuple(Rev(change["rev"]) for change in row["changes"])
    return ChangeRow(Seq(str(row["seq"])), DocId(row["id"]), leaves, row.get("deleted") is True)
