"""How far a replication got: what is written into `_local/<replication id>` on both sides, and how it is compared.

    {"session_id": "9c…", "source_last_seq": "812-1f…", "replication_id_version": 4, "replicator": "tram/1",
     "history": [{"session_id": "9c…", "end_time": …, "recorded_seq": "812-1f…", "docs_written": 4},
                 …]}

The shape is CouchDB's (`couch_replicator`), so its tools read ours. Both sides keep a copy, because either may be
set back to a backup: only what both remember counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from replication.document import Seq
from replication.store import ZERO

_IN_ONE_ORDER = re.compile(r"\d{1,18}(-[0-9a-f]{8})?", re.ASCII)  # the seqs of replication.sqlite

JsonObject = dict[str, Any]

# 5 as in PouchDB: each entry costs ~150 bytes at every idle sync, fewer risk reading a restored side from 0 again.
HISTORY_LENGTH = 5
MAX_HISTORY_READ = 200  # CouchDB keeps 50; whoever sends more is not listened to
REPLICATION_ID_VERSION = 4


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the replicator over a pair. `end_time` is an RFC 1123 text as CouchDB writes it."""

    session_id: str
    end_time: str
    recorded_seq: Seq
    docs_written: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """The sessions one side remembers, newest first."""

    sessions: tuple[Session, ...] = ()

    @property
    def session_id(self) -> str | None:
        return self.sessions[0].session_id if self.sessions else None

    @property
    def recorded_seq(self) -> Seq:
        return self.sessions[0].recorded_seq if self.sessions else ZERO

    def record(self, session: Session) -> Log:
        """Return the log with `session` on top; it takes the place of its own earlier entry."""
        others = [entry for entry in self.sessions if entry.session_id != session.session_id]
        return replace(self, sessions=(session, *others)[:HISTORY_LENGTH])


def build_log_doc(log: Log) -> JsonObject:
    """Return the body of the `_local` document."""
    return {
        "session_id": log.session_id,
        "source_last_seq": log.recorded_seq,
        "replication_id_version": REPLICATION_ID_VERSION,
        "replicator": "tram/1",
        "history": [
            {
                "session_id": entry.session_id,
                "end_time": entry.end_time,
                "recorded_seq": entry.recorded_seq,
                "docs_written": entry.docs_written,
            }
            for entry in log.sessions
        ],
    }


def parse_log_doc(body: JsonObject | None) -> Log:
    """Return the log of a `_local` document. A document of another shape remembers nothing: an empty log."""
    history = body.get("history") if body else None
    if not isinstance(history, list):
        return Log()
    sessions = [_parse_session(entry) for entry in history[:MAX_HISTORY_READ]]
    return Log(tuple(entry for entry in sessions if entry is not None))


def _parse_session(entry: object) -> Session | None:
    if not isinstance(entry, dict):
        return None
    session_id, seq = entry.get("session_id"), entry.get("recorded_seq")
    if not isinstance(session_id, str) or not isinstance(seq, str | int):
        return None
    written = entry.get("docs_written")
    return Session(
        session_id,
        str(entry.get("end_time", "")),
        Seq(str(seq)),
        written if isinstance(written, int) else 0,
    )


def common_log(source: Log, target: Log) -> Log:
    """Return what both sides remember of how far they got, empty if there is nothing: the log to go on with.

    On top is the newest common session, as CouchDB compares: the same newest one, else the newest session of one that
    the other knows. Within one session the smaller seq counts: a side set back to a backup in the middle of a long
    session says less. Below it are those that came before. Sessions only one side remembers are left out for good: the
    other was set back to before them, and were they written down over there again, they would say that it holds what
    it has lost, as soon as this side is set back to where they were the newest.
    """
    theirs = {entry.session_id: entry.recorded_seq for entry in target.sessions}
    mine = {entry.session_id: (place, entry) for place, entry in enumerate(source.sessions)}
    for ours, other in zip(_padded(source, target), _padded(target, source), strict=True):
        for found in (ours, other):
            if found is not None and found.session_id in mine and found.session_id in theirs:
                place, entry = mine[found.session_id]
                top = replace(entry, recorded_seq=min(entry.recorded_seq, theirs[found.session_id], key=seq_number))
                return Log((top, *source.sessions[place + 1 :]))
    return Log()


def _padded(log: Log, other: Log) -> list[Session | None]:
    length = max(len(log.sessions), len(other.sessions))
    return [*log.sessions, *[None] * (length - len(log.sessions))]


def seq_number(seq: Seq) -> int:
    """Return the leading number of a seq such as "812-1f…", 0 for one without. Only good for ordering one feed."""
    digits = seq.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else 0


def has_one_order(*seqs: Seq) -> bool:
    """Say whether the numbers of these seqs order them as their feed does: those of our own stores, "812" or
    "812-1f0b3c4d". One of CouchDB names a place in each shard of a database, of which its number is but the sum."""
    return all(_IN_ONE_ORDER.fullmatch(each) for each in seqs)
