"""The feed over HTTP."""

from __future__ import annotations

import json
import threading

import pytest
import requests

from replication.http import Limits
from tests.replication.http.conftest import Client, Serve


def ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the ids of a feed's rows."""
    return [row["id"] for row in answer["results"]]


def test_the_feed_goes_on_from_where_it_was_left(client: Client) -> None:
    """last_seq of one answer is since of the next; limit and pending tell what is behind."""
    for name in "abc":
        client.put(name)

    first = client.json("GET", "_changes?limit=2")
    rest = client.json("GET", f"_changes?since={first['last_seq']}")

    assert (ids(first), first["pending"]) == (["a", "b"], 1)
    assert (ids(rest), rest["pending"]) == (["c"], 0)
    assert client.json("GET", "_changes?since=now")["results"] == []
    assert ids(client.json("GET", "_changes?descending=true&limit=2")) == ["c", "b"]


def test_all_leaves_come_winner_first_and_tombstones_say_so(client: Client) -> None:
    """style=all_docs is what replicators read."""
    client.graft(
        {"_id": "a", "_rev": "2-b"}, {"_id": "a", "_rev": "1-c"}, {"_id": "t", "_rev": "1-d", "_deleted": True}
    )

    rows = client.json("GET", "_changes?style=all_docs")["results"]

    assert rows[0]["changes"] == [{"rev": "2-b"}, {"rev": "1-c"}]
    assert rows[1]["deleted"] is True
    assert client.json("GET", "_changes")["results"][0]["changes"] == [{"rev": "2-b"}]


def test_documents_come_with_the_feed_when_asked(client: Client) -> None:
    """include_docs gives the winner, conflicts beside it."""
    client.graft({"_id": "a", "_rev": "2-b", "n": 1}, {"_id": "a", "_rev": "1-c"})

    row = client.json("GET", "_changes?include_docs=true&conflicts=true")["results"][0]

    assert row["doc"] == {"_id": "a", "_rev": "2-b", "n": 1, "_conflicts": ["1-c"]}


def test_filters_keep_what_they_name(client: Client) -> None:
    """_doc_ids, _design and _selector; a limit counts what is kept."""
    client.graft(*({"_id": f"d{n}", "_rev": "1-a", "n": n} for n in range(300)), {"_id": "_design/x", "_rev": "1-a"})

    by_id = client.json("POST", "_changes?filter=_doc_ids", {"doc_ids": ["d7", "nope"]})
    selected = client.json("POST", "_changes?filter=_selector&limit=3", {"selector": {"n": {"$gte": 250}}})
    rest = client.json(
        "POST", f"_changes?filter=_selector&since={selected['last_seq']}", {"selector": {"n": {"$gte": 250}}}
    )

    assert ids(by_id) == ["d7"]
    assert ids(client.json("GET", "_changes?filter=_design")) == ["_design/x"]
    assert ids(selected) == ["d250", "d251", "d252"]
    assert ids(rest) == [f"d{n}" for n in range(253, 300)]


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("feed=x", 400, "bad_request"),
        ("heartbeat=0", 400, "bad_request"),
        ("heartbeat=x", 400, "bad_request"),
        ("limit=x", 400, "bad_request"),
        ("timeout=x", 400, "bad_request"),
        ("seq_interval=0", 400, "bad_request"),
        ("since=!", 400, "bad_request"),
        ("filter=x", 400, "bad_request"),
        ("filter=a/b", 404, "not_found"),
        ("style=x", 400, "bad_request"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_the_feed_begins(
    client: Client, query: str, status: int, error: str
) -> None:
    """A refusal is a status, never half a feed."""
    assert client.json("GET", f"_changes?{query}", status=status)["error"] == error


def test_a_longpoll_ends_with_the_first_news(client: Client) -> None:
    """It answers as soon as something is written, not at its timeout, which would be too late for this client."""
    url = f"{client.root}{client.name}/_changes?feed=longpoll&since=now&timeout=600000"
    with requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=60) as answer:
        pieces = answer.iter_content(None)
        begun = next(pieces)  # it waits
        client.put("a")
        text = begun + b"".join(pieces)

    assert b"id" not in begun
    assert ids(json.loads(text)) == ["a"]


def test_a_longpoll_without_news_ends_at_its_timeout(client: Client) -> None:
    """With nothing, and where to go on from."""
    answer = client.json("GET", "_changes?feed=longpoll&since=now&timeout=50")

    assert answer["results"] == []
    assert answer["last_seq"] == client.json("GET")["update_seq"]


def test_heartbeats_keep_a_silent_feed_alive(client: Client) -> None:
    """A line break at every beat, and no end."""
    with client.call("GET", "_changes?feed=continuous&since=now&heartbeat=50", stream=True) as feed:
        lines = feed.iter_lines()
        assert [next(lines), next(lines)] == [b"", b""]
        client.put("a")
        row = next(line for line in lines if line)

    assert json.loads(row)["id"] == "a"


def test_a_heartbeat_is_never_later_than_the_server_waits(serve: Serve) -> None:
    """A reader that asks for one a day and is gone would keep its worker for that day."""
    client = serve(Limits(max_feed_wait_s=0.2))

    with client.call("GET", "_changes?feed=continuous&since=now&heartbeat=86400000", stream=True) as feed:
        assert next(feed.iter_content(1)) == b"\n"


def test_news_a_filter_drops_do_not_silence_the_heartbeat(client: Client) -> None:
    """A busy database must not starve a reader of one document."""
    ended = threading.Event()

    def write() -> None:
        with requests.Session() as session:
            number = 0
            while not ended.wait(0.01):
                number += 1
                session.put(f"{client.root}{client.name}/d{number}", json={}, timeout=60)

    writer = threading.Thread(target=write)
    feed_of_x = '_changes?feed=continuous&filter=_doc_ids&doc_ids=["x"]&heartbeat=200'
    with client.call("GET", feed_of_x, stream=True) as feed:
        lines = feed.iter_lines()
        writer.start()
        try:
            beats, written = 0, 0
            while beats < 3 or written <= 5:  # it is busy
                assert next(lines) == b""
                beats += 1
                written = client.json("GET")["doc_count"]
        finally:
            ended.set()
            writer.join()
        client.put("x")
        row = next(line for line in lines if line)

    assert json.loads(row)["id"] == "x"


def test_a_continuous_feed_ends_with_its_timeout_or_limit(client: Client) -> None:
    """The last line tells where it stood."""
    for name in "abc":
        client.put(name)

    whole = client.call("GET", "_changes?feed=continuous&timeout=50").text.splitlines()
    two = client.call("GET", "_changes?feed=continuous&timeout=5000&limit=2").text.splitlines()

    assert [json.loads(line).get("id") for line in whole] == ["a", "b", "c", None]
    assert [json.loads(line).get("id") for line in two] == ["a", "b", None]
    assert json.loads(two[-1])["pending"] == 1


def test_an_event_source_hears_rows_as_events(client: Client) -> None:
    """And goes on from the id it names."""
    client.put("a")
    client.put("b")

    text = client.call("GET", "_changes?feed=eventsource&timeout=50").text
    first = text.split("\n\n")[0].splitlines()
    again = client.call(
        "GET", "_changes?feed=eventsource&timeout=50", headers={"Last-Event-ID": json.loads(first[1][4:])}
    ).text

    assert json.loads(first[0][6:])["id"] == "a"
    assert again.count("data: {") == 1


def test_a_feed_of_many_pages_is_whole(client: Client) -> None:
    """Streamed in pieces, one JSON object all the same; seq_interval leaves most seqs out."""
    client.graft(*({"_id": f"d{n}", "_rev": "1-a"} for n in range(5001)))

    answer = client.json("GET", "_changes?seq_interval=1000")

    assert ids(answer) == [f"d{n}" for n in range(5001)]
    assert [n for n, row in enumerate(answer["results"]) if row["seq"]] == [0, 1000, 2000, 3000, 4000, 5000]


def test_a_waiting_feed_ends_when_its_database_goes(serve: Serve) -> None:
    """Nothing will ever come."""
    client = serve()
    with client.call("GET", "_changes?feed=continuous&since=now&heartbeat=50", stream=True) as feed:
        lines = feed.iter_lines()
        next(lines)
        client.call("DELETE")
        last = [line for line in lines if line][-1]

    assert "last_seq" in json.loads(last)
