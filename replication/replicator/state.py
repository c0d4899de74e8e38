"""Where this side notes, after every acknowledgement, how far it got. Losing it costs one `_revs_diff`, no more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol

import orjson

from replication.document import Seq
from replication.errors import NotFound, StoreError
from replication.store import Database, JsonObject

LOCAL_PREFIX = "tram-state-"


@dataclass(frozen=True, slots=True)
class Resume:
    """`since`: everything up to here is acknowledged. `session_id` and `published` are what the target's `_local`
    document said when we last wrote it: if it says something else now, the target was set back and `since` is void.
    `clean`: nothing was under way behind `since`, so nothing there is uncertain.
    """

    since: Seq
    session_id: str
    published: Seq
    clean: bool


class CheckpointState(Protocol):
    """Durable notes by replication id. `save` returns when the note would survive a power cut. Raises `StoreError`."""

    def load(self, replication_id: str) -> Resume | None: ...

    def save(self, replication_id: str, resume: Resume) -> None: ...

    def load_listing(self, key: str) -> JsonObject | None:
        """Return what `save_listing` kept, None if nothing."""

    def save_listing(self, key: str, listing: JsonObject) -> None:
        """Keep what a server said of all its databases, durably or not: losing it costs questions."""


class MemoryState:
    """Forgets with the process; the `_local` documents then are all there is."""

    def __init__(self) -> None:
        self._resumes: dict[str, Resume] = {}
        self._listings: dict[str, JsonObject] = {}

    def load(self, replication_id: str) -> Resume | None:
        return self._resumes.get(replication_id)

    def save(self, replication_id: str, resume: Resume) -> None:
        self._resumes[replication_id] = resume

    def load_listing(self, key: str) -> JsonObject | None:
        return self._listings.get(key)

    def save_listing(self, key: str, listing: JsonObject) -> None:
        self._listings[key] = listing


class DatabaseState:
    """Keeps its notes in `_local` documents of a database of ours, so that a restored backup takes them back too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, replication_id: str) -> Resume | None:
        try:
            body = orjson.loads(self._database.get_local(LOCAL_PREFIX + replication_id).body)
            return Resume(Seq(body["since"]), body["session_id"], Seq(body["published"]), body["clean"] is True)
        except (NotFound, orjson.JSONDecodeError, KeyError, TypeError):
            return None  # nothing noted, or by another version: the `_local` logs decide

    def save(self, replication_id: str, resume: Resume) -> None:
        self._database.put_local(LOCAL_PREFIX + replication_id, orjson.dumps(asdict(resume)))

    def load_listing(self, key: str) -> JsonObject | None:
        try:
            value = orjson.loads(self._database.get_local(LOCAL_PREFIX + key).body)
        except (NotFound, orjson.JSONDecodeError):
            return None
        return value if isinstance(value, dict) else None

    def save_listing(self, key: str, listing: JsonObject) -> None:
        with suppress(StoreError):  # kept or not, as agreed; a full disk is told where documents or notes meet it
            self._database.put_local(LOCAL_PREFIX + key, orjson.dumps(listing))
