"""Memory is bounded over all requests together: large bodies take from one budget, and who finds none comes again."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from replication.http import Limits
from replication.http.budget import FREE_BYTES, STRIDE, Budget, MemoryShort
from tests.replication.http.conftest import Client, Serve
from tests.replication.http.test_command import serving
from tests.replication.http.test_memory import read_rss_kb

MIB = 1024 * 1024
CROWD = 50
BODY = 16 * MIB - 1024
# 256 MiB of bodies, the server itself, and what the allocator has not given back yet.
PEAK_KB = 330 * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fifty_bodies_of_sixteen_megabytes_at_once_stay_within_the_budget(tmp_path: Path) -> None:
    """800 MiB come at the same time: each is read whole in the end, and what the process holds stays flat."""
    with serving("--dir", str(tmp_path)) as (process, url):
        requests.put(url + "db", timeout=60).raise_for_status()
        over = threading.Event()
        watching = ThreadPoolExecutor(1).submit(watch_rss, process.pid, over)
        with ThreadPoolExecutor(CROWD) as crowd:
            refusals = sum(crowd.map(lambda _: ask(url), range(CROWD)))
        over.set()
        peak = watching.result()
    print(f"peak {peak} KB, {refusals} times asked to come again")
    assert peak < PEAK_KB


def watch_rss(pid: int, over: threading.Event) -> int:
    peak = 0
    while not over.wait(0.02):
        peak = max(peak, read_rss_kb(pid))
    return peak


def ask(url: str) -> int:
    """Send one large question until it is answered; return how often the server asked to come again."""
    body = b'{"selector":{"text":"' + b"x" * (BODY - 24) + b'"}}'
    for refusals in range(200):
        answer = requests.post(url + "db/_find", data=body, headers={"Content-Type": "application/json"}, timeout=120)
        if answer.status_code == 200:
            assert answer.json()["docs"] == []
            return refusals
        assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"].isdigit()
        threading.Event().wait(0.2 + secrets.randbelow(300) / 1000)  # shorter than asked: the test is to press
    raise AssertionError("never answered")


@pytest.fixture
def tight(serve: Serve) -> Client:
    """A server with memory for two megabytes of bodies."""
    return serve(Limits(shared_memory=2 * MIB, shared_wait_s=0.2))


def hold(client: Client, size: int) -> socket.socket:
    """Begin an attachment and stop in the middle: what was sent is held."""
    head = f"PUT /db/held-{size}/f HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * size}\r\n\r\n"
    return client.raw(head.encode() + bytes(size))


def wait_until_short(client: Client) -> Any:
    """Ask for memory until there is none, and return the refusal."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.call("PUT", secrets.token_hex(4) + "/f", data=bytes(MIB))
        if answer.status_code == 503:
            return answer
        assert answer.status_code == 201
    raise AssertionError("memory never ran short")


def test_who_finds_no_memory_is_asked_to_come_again_and_small_requests_are_served(tight: Client) -> None:
    """503 with Retry-After for a large body; reading and writing small documents goes on; it ends with the holder."""
    holder = hold(tight, 2 * MIB - STRIDE // 2)
    refused = wait_until_short(tight)

    assert (refused.json()["error"], refused.headers["Retry-After"]) == ("service_unavailable", "5")
    assert tight.put("small", n=1).startswith("1-")
    assert tight.json("GET", "small")["n"] == 1
    holder.close()
    deadline = time.monotonic() + 60
    while tight.call("PUT", secrets.token_hex(4) + "/f", data=bytes(MIB)).status_code != 201:
        assert time.monotonic() < deadline


def test_readers_of_files_take_from_the_same_memory(tight: Client) -> None:
    """An attachment larger than what is left is not read, in any of the ways to ask for it."""
    file = {"f": {"data": base64.b64encode(bytes(MIB)).decode(), "content_type": "a/b"}}
    for n in range(2):
        tight.json("PUT", f"doc-{n}/f", status=201, data=bytes(MIB))
    assert len(file["f"]["data"]) > MIB
    asked: list[tuple[str, str, Any]] = [
        ("GET", "doc-0/f", None),
        ("GET", "doc-0?attachments=true", None),
        ("GET", "doc-0?open_revs=all&attachments=true", None),
        ("POST", "_bulk_get?attachments=true", {"docs": [{"id": "doc-0"}]}),
        ("COPY", "doc-0", None),
    ]
    to = {"Destination": "copy"}
    for method, path, body in asked:
        assert tight.call(method, path, body, headers=to).status_code in (200, 201)
    holder = hold(tight, 2 * MIB - STRIDE // 2)
    wait_until_short(tight)

    for method, path, body in asked:
        assert tight.call(method, path, body, headers=to).status_code == 503, path
    holder.close()


def test_a_gzipped_file_weighs_what_it_unpacks_to(tight: Client) -> None:
    """A few kilobytes as stored are megabytes in an answer: memory is taken for those."""
    packed = gzip.compress(bytes(MIB + MIB // 2))
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    tight.json("PUT", "packed/f", status=201, data=packed, headers=headers)
    assert len(packed) < FREE_BYTES
    holder = hold(tight, 2 * MIB - STRIDE // 2)
    wait_until_short(tight)

    assert tight.call("GET", "packed/f", headers={"Accept-Encoding": "identity"}).status_code == 503
    assert tight.call("GET", "packed?attachments=true").status_code == 503
    holder.close()


def test_a_body_packed_with_a_dictionary_takes_memory_as_it_comes(tight: Client) -> None:
    """It has to be held whole before it is unpacked. Here it is none at all, which shows only at the end."""
    holder = hold(tight, 2 * MIB - STRIDE // 2)
    wait_until_short(tight)
    headers = {"Content-Encoding": "dcz", "Content-Type": "application/json"}

    refused = tight.call("POST", "_bulk_docs", data=iter([bytes(MIB)]), headers=headers)

    assert refused.status_code == 503
    holder.close()


@pytest.mark.parametrize(
    ("path", "kind"), [("/_session", "json"), ("/_session", "x-www-form-urlencoded"), ("/_dbs_info", "json")]
)
def test_who_is_not_known_yet_takes_no_memory(client: Client, path: str, kind: str) -> None:
    """A large body without credentials is refused, announced or not: sixteen such would hold all there is."""
    body, headers = b'{"x":"' + bytes(FREE_BYTES) + b'"}', {"Content-Type": f"application/{kind}"}
    for sent in (body, iter([body])):
        refused = client.json("POST", path, status=413, data=sent, headers=headers)
        assert refused["error"] == "too_large"


def test_a_database_is_opened_before_the_body_of_a_request_to_it_is_read(client: Client) -> None:
    """Whoever may not, or finds none, is told so; nothing of what was sent is held or read."""
    headers = {"Content-Type": "application/json"}
    for path in ("_changes", "_bulk_docs", "_bulk_get", "_revs_diff", "_find", "_all_docs/queries", "_purge"):
        answer = client.json("POST", f"/nope/{path}", status=404, data=b"{", headers=headers)
        assert answer["reason"] == "Database does not exist."


def test_answers_are_whole_where_files_need_many_batches(tight: Client) -> None:
    """More than fits at once comes in parts: `_bulk_get`, the feed and `_all_docs`, every byte of every file."""
    data = [secrets.token_bytes(300_000) for _ in range(12)]
    for n, content in enumerate(data):
        tight.json("PUT", f"d{n:02}/f", status=201, data=content)
    ids = [f"d{n:02}" for n in range(12)]
    revs = {row["id"]: row["value"]["rev"] for row in tight.json("GET", "_all_docs")["rows"]}
    asked = {"docs": [{"id": doc_id, "rev": revs[doc_id]} for doc_id in ids]}

    got = tight.json("POST", "_bulk_get?attachments=true", asked)["results"]
    feed = tight.json("GET", "_changes?include_docs=true&attachments=true")["results"]
    rows = tight.json("GET", "_all_docs?include_docs=true&attachments=true")["rows"]
    keyed = tight.json("POST", "_all_docs?include_docs=true&attachments=true", {"keys": ids[::-1]})["rows"]

    expected = [base64.b64encode(content).decode() for content in data]
    assert [row["docs"][0]["ok"]["_attachments"]["f"]["data"] for row in got] == expected
    for found in (feed, rows, keyed[::-1]):
        assert [row["doc"]["_attachments"]["f"]["data"] for row in found] == expected


def test_waiting_feeds_hold_nothing(serve: Serve) -> None:
    """Two hundred readers that wait take no memory from those that send."""
    client = serve(Limits(shared_memory=MIB, shared_wait_s=0.2))
    line = b"GET /db/_changes?feed=longpoll&since=now&timeout=20000 HTTP/1.1\r\nHost: x\r\n\r\n"
    readers = [client.raw(line) for _ in range(200)]
    try:
        assert client.json("PUT", "doc/f", status=201, data=bytes(MIB))["ok"] is True
    finally:
        for reader in readers:
            reader.close()


def test_the_oldest_is_never_asked_to_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among requests that all hold something and want more, the youngest are refused and the oldest gets through."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = Budget(10 * STRIDE, wait_s=0.1)
    shares = [budget.open() for _ in range(5)]
    for share in shares:
        share.grow(2 * STRIDE)
    outcome: dict[int, str] = {}

    def want(share: Any) -> None:
        try:
            share.grow(4 * STRIDE)
            outcome[share.age] = "served"
        except MemoryShort:
            outcome[share.age] = "refused"
        share.close()

    threads = [threading.Thread(target=want, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    pause = threading.Event()
    while len(budget._waiting) < len(threads):
        pause.wait(0.01)
    clock[0] = 0.2  # nothing has moved for longer than anybody waits
    for thread in threads:
        thread.join(60)

    assert outcome == {1: "served", 2: "served", 3: "served", 4: "refused", 5: "refused"}
    assert budget.held_bytes == 0


def test_a_request_larger_than_everything_is_served_alone() -> None:
    """Bounds of one request are `Limits`' business: the budget never makes an allowed one impossible."""
    budget = Budget(2 * STRIDE, wait_s=0.05)
    large, other = budget.open(), budget.open()
    large.grow(100 * STRIDE)

    assert budget.held_bytes == 2 * STRIDE
    other.grow(FREE_BYTES)
    with pytest.raises(MemoryShort):
        other.grow(1)
    large.close()
    other.grow(1)
    other.close()
    other.close()
    assert budget.held_bytes == 0


def test_a_share_that_settles_gives_back_before_it_takes() -> None:
    """A reader of many batches never waits with its hands full of the last one."""
    budget = Budget(4 * STRIDE, wait_s=0.05)
    share = budget.open()
    for size in (4 * STRIDE, 3 * STRIDE, FREE_BYTES, 4 * STRIDE):
        share.settle(size)
        assert budget.held_bytes == (size if size > FREE_BYTES else 0)


def test_a_refused_body_leaves_nothing_stored(tight: Client) -> None:
    """The whole batch or none of it."""
    holder = hold(tight, 2 * MIB - STRIDE // 2)
    wait_until_short(tight)
    count = tight.json("GET")["doc_count"]
    docs = {"docs": [{"_id": f"big-{n}", "text": "x" * 50_000} for n in range(20)]}

    refused = tight.call("POST", "_bulk_docs", data=json.dumps(docs), headers={"Content-Type": "application/json"})

    assert refused.status_code == 503
    assert tight.json("GET")["doc_count"] == count
    holder.close()
