"""Logs of both sides are compared as CouchDB compares them."""

from __future__ import annotations

from replication.document import Seq
from replication.replicator.checkpoint import (
    HISTORY_LENGTH,
    Log,
    Session,
    build_log_doc,
    common_log,
    parse_log_doc,
)


def common_seq(mine: Log, theirs: Log) -> Seq:
    return common_log(mine, theirs).recorded_seq


def session(name: str, seq: int) -> Session:
    return Session(name, "", Seq(f"{seq}-aa"))


def log(*entries: tuple[str, int]) -> Log:
    return Log(tuple(session(name, seq) for name, seq in entries))


def test_the_same_newest_session_means_its_seq() -> None:
    """Nothing happened since both were written."""
    assert common_seq(log(("c", 30), ("b", 20)), log(("c", 30), ("b", 20))) == "30-aa"


def test_a_side_that_missed_the_last_write_counts_back_to_the_common_session() -> None:
    """The target was set back to a backup taken after session b."""
    assert common_seq(log(("c", 30), ("b", 20), ("a", 10)), log(("b", 20), ("a", 10))) == "20-aa"
    assert common_seq(log(("a", 10)), log(("c", 30), ("b", 20), ("a", 10))) == "10-aa"


def test_within_one_long_session_the_side_that_remembers_less_wins() -> None:
    """A backup taken in the middle of a session that lasted weeks."""
    assert common_seq(log(("a", 300)), log(("a", 90))) == "90-aa"


def test_no_common_session_starts_at_zero() -> None:
    """Strangers, or a side that lost everything."""
    assert common_seq(log(("a", 10)), log(("b", 10))) == "0"
    assert common_seq(Log(), log(("b", 10))) == "0"


def test_what_only_one_side_remembers_is_not_written_down_again() -> None:
    """The target was set back to before session b and c, so neither says anything of it, now or later."""
    ours = log(("c", 30), ("b", 20), ("a", 10), ("z", 5))

    assert common_log(ours, log(("a", 10), ("z", 5))) == log(("a", 10), ("z", 5))
    assert common_log(ours, log(("a", 8))) == log(("a", 8), ("z", 5))
    assert common_log(ours, Log()) == common_log(ours, log(("x", 10))) == Log()


def test_a_log_keeps_five_sessions_and_replaces_its_own_entry() -> None:
    """Checkpoint documents stay small however long a pair lives."""
    grown = Log()
    for number in range(9):
        grown = grown.record(session(f"s{number}", number))

    again = grown.record(session("s8", 80))

    assert len(grown.sessions) == HISTORY_LENGTH
    assert [entry.session_id for entry in again.sessions] == ["s8", "s7", "s6", "s5", "s4"]
    assert again.recorded_seq == "80-aa"


def test_logs_survive_the_document_form() -> None:
    """What is written is what is read."""
    original = log(("c", 30), ("b", 20))

    assert parse_log_doc(build_log_doc(original)) == original


def test_documents_of_another_shape_remember_nothing() -> None:
    """Foreign or broken `_local` documents lead back to zero, not to an error."""
    for body in (None, {}, {"history": 7}, {"history": [3, {"session_id": 1, "recorded_seq": "1"}]}):
        assert parse_log_doc(body) == Log()


def test_a_log_written_by_couchdb_is_understood() -> None:
    """The members its replicator writes, with sequences of a cluster."""
    body = {
        "session_id": "e1",
        "source_last_seq": "28-g1AAAA",
        "replication_id_version": 4,
        "history": [{"session_id": "e1", "start_time": "x", "recorded_seq": "28-g1AAAA", "docs_written": 28}],
    }

    assert parse_log_doc(body).recorded_seq == "28-g1AAAA"
