"""The way to CouchDB when the other end misbehaves: real sockets, scripted answers."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import pytest

from replication.couch.database import CouchDatabase
from replication.couch.identity import fetch_uuid
from replication.couch.link import Link, parse_url
from replication.couch.reading import Reader
from replication.document import DocId, Rev
from replication.errors import BadRequest, Forbidden, NotFound, StorageFull, StoreError, TooLarge, Unavailable
from replication.store import AllDocsQuery, AllDocsRow, GetRequest


class ScriptedServer:
    """Answers the n-th request with the n-th script; None closes the connection instead. Records what it was sent."""

    def __init__(self, *answers: bytes | None, closes_after: bool = False) -> None:
        self._answers = list(answers)
        self._closes_after = closes_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.heard = threading.Event()
        self.closed_one = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._accept)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client or the script closed it
                continue
        for thread in self._threads:
            thread.join(60)

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            while self._serve_one(connection, reader):
                pass
        self.closed_one.set()

    def _serve_one(self, connection: socket.socket, reader: IO[bytes]) -> bool:
        try:
            request = _read_request(reader)
        except OSError:
            return False
        if not request:
            return False
        with self._lock:
            self.requests.append(request)
            self.heard.set()
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            return False
        try:
            connection.sendall(answer)
        except OSError:  # the client left first
            return False
        return not self._closes_after


def _read_request(reader: IO[bytes]) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + reader.read(int(lengths[0].partition(b":")[2]) if lengths else 0)


def answer(status: str, body: bytes, *, content_type: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def chunked(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


OK = answer("200 OK", b'{"ok":true}')


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[ScriptedServer, Link]]]:
    """Return a function that starts a scripted server and gives it with a link to it."""
    started: list[tuple[ScriptedServer, Link]] = []

    def start(*answers: bytes | None, closes_after: bool = False) -> tuple[ScriptedServer, Link]:
        server = ScriptedServer(*answers, closes_after=closes_after)
        started.append((server, Link(server.url)))
        return started[-1]

    yield start
    for server, link in started:
        link.close()
        server.close()


Serve = Callable[..., tuple[ScriptedServer, Link]]


def test_the_client_package_is_imported_without_a_warning() -> None:
    """It is old, and this project treats warnings as errors."""
    subprocess.run([sys.executable, "-W", "error", "-c", "import replication.couch"], check=True, timeout=60)


@pytest.mark.parametrize("form", [answer, chunked])
@pytest.mark.parametrize("size", [20, 100_000])
def test_a_refusal_is_read_whatever_its_size_and_framing(
    serve: Serve, form: Callable[[str, bytes], bytes], size: int
) -> None:
    """The `couchdb` package breaks on error bodies of 8 KiB and on chunked ones."""
    reason = "x" * size
    server, link = serve(form("403 Forbidden", f'{{"error":"forbidden","reason":"{reason}"}}'.encode()), OK)
    with pytest.raises(Forbidden) as caught:
        link.json("GET", ("db",))
    assert caught.value.reason == reason
    assert link.json("GET", ("db",)) == {"ok": True}
    assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        ("404 Not Found", b'{"error":"not_found","reason":"deleted"}', NotFound, "deleted"),
        ("413 Too", b'{"error":"document_too_large","reason":"a"}', TooLarge, "a"),
        ("500 Oops", b'{"error":"badmatch","reason":"{error,enospc}"}', StorageFull, "free space"),
        ("507 Full", b'{"error":"insufficient_storage","reason":"database_dir"}', StorageFull, "free space"),
        ("500 Oops", b'{"error":"timeout","reason":"too long"}', Unavailable, "try again"),
        ("502 Bad Gateway", b"<html>nginx</html>", Unavailable, "in between"),
        ("400 Bad", b"", BadRequest, "400"),
        ("302 Found", b"", Unavailable, "redirects to 'http://login.example/'"),
    ],
)
def test_a_refusal_becomes_an_error_that_says_what_to_do(
    serve: Serve, status: str, body: bytes, kind: type[StoreError], words: str
) -> None:
    """By CouchDB's word first, by the status where there is none; a foreign page is no CouchDB."""
    _, link = serve(answer(status, body, extra="Location: http://login.example/\r\n"))
    with pytest.raises(kind, match=words):
        link.json("GET", ("db",))


def test_a_page_that_is_not_json_is_no_answer(serve: Serve) -> None:
    """A captive portal says 200 to everything."""
    _, link = serve(answer("200 OK", b"<html>Welcome</html>", content_type="text/html"))
    with pytest.raises(Unavailable, match="in between"):
        link.json("GET", ("db",))


def test_one_connection_serves_requests_that_follow_each_other(serve: Serve) -> None:
    """Also after refusals that are not JSON, which the `couchdb` package puts into its pool twice."""
    server, link = serve(OK, answer("400 Bad", b"no json", content_type="text/plain"), OK)
    link.json("GET", ("db",))
    with pytest.raises(BadRequest):
        link.json("GET", ("db",))
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: link.json("GET", ("db",)), range(20))) == [{"ok": True}] * 20
    assert server.connections <= 2


def test_threads_do_not_share_a_connection(serve: Serve) -> None:
    """Each gets the answer to what it asked."""
    server, link = serve(OK)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: link.json("POST", ("db",), {"n": n}), range(80))) == [{"ok": True}] * 80
    assert len(server.requests) == 80
    assert server.connections <= 8


def test_a_connection_the_server_closed_meanwhile_is_not_used(serve: Serve) -> None:
    """Even a request that must not be repeated arrives, on a fresh one."""
    server, link = serve(OK, closes_after=True)
    link.json("POST", ("db",), {})
    assert server.closed_one.wait(60)
    link.json("POST", ("db",), {})
    assert (server.connections, len(server.requests)) == (2, 2)


def test_only_what_may_be_repeated_is_repeated(serve: Serve) -> None:
    """An answer that was cut off leaves open whether the request was heard."""
    server, link = serve(None, OK)
    with pytest.raises(Unavailable, match="does not answer"):
        link.json("POST", ("db",), {})
    assert len(server.requests) == 1
    server, link = serve(None, OK)
    repeated = link.request("POST", ("db",), b"{}", repeat=True)
    assert (repeated.repeated, repeated.json()) == (True, {"ok": True})
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("502 Bad Gateway", b"<html>the server closed the connection</html>"),
        ("503 Service Unavailable", b"<html>no server is left</html>"),
        ("500 Oops", b'[{"id":"a","error":"internal_server_error","reason":null}]'),
        ("500 Oops", b"""{"error":"badmatch","reason":"{'EXIT',noconnection}"}"""),
        ("412 Precondition Failed", b'{"error":"nodedown","reason":"progress not possible"}'),
    ],
)
def test_a_request_that_met_a_dying_node_of_a_cluster_is_repeated_where_that_is_harmless(
    serve: Serve, status: str, body: bytes
) -> None:
    """Once; what must not be repeated, or fails again, is unavailable and never a wrong result."""
    server, link = serve(answer(status, body), OK)
    repeated = link.request("POST", ("db",), b"{}", repeat=True)
    assert (repeated.repeated, repeated.json()) == (True, {"ok": True})
    _, link = serve(answer(status, body), OK)
    with pytest.raises(Unavailable):
        link.json("POST", ("db",), {})
    server, link = serve(answer(status, body))
    with pytest.raises(Unavailable):
        link.json("POST", ("db",), {}, repeat=True)
    assert len(server.requests) == 2


def test_a_document_whose_copies_cannot_be_asked_is_not_called_missing(serve: Serve) -> None:
    """`_bulk_get` says so row by row, with status 200: taken for missing, the document would be skipped."""
    row = b'{"error":{"id":"a","rev":"undefined","error":"internal_fabric_error","reason":"timeout"}}'
    _, link = serve(answer("200 OK", b'{"results":[{"id":"a","docs":[' + row + b"]}]}"))
    with pytest.raises(Unavailable, match="cannot read 'a' now"):
        Reader(link, "db").rows([GetRequest(DocId("a"))])


GREETING = answer("200 OK", b'{"cluster":{"q":2,"n":3,"w":2,"r":2}}')
HELD = answer("200 OK", b'{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"1-b"}}]}]}')


def test_two_copies_without_a_document_do_not_outvote_the_third(serve: Serve) -> None:
    """A cluster reads two of three: what one copy alone holds, and a feed has shown, is asked of all of them."""
    missing = answer("404 Object Not Found", b'{"error":"not_found","reason":"missing"}')
    _, link = serve(missing, GREETING, HELD)
    assert CouchDatabase(link, "db", "db").get(DocId("a")).rev == "1-b"
    rows = answer("200 OK", b'{"total_rows":7,"rows":[{"key":"a","error":"not_found"}]}')
    _, link = serve(rows, GREETING, HELD)
    page = CouchDatabase(link, "db", "db").all_docs(AllDocsQuery(keys=("a",)))
    assert page.rows == (AllDocsRow(DocId("a"), Rev("1-b")),)


def test_on_a_single_node_missing_is_missing(serve: Serve) -> None:
    """There is nobody else to ask, and it is asked once whether there is."""
    missing = answer("404 Object Not Found", b'{"error":"not_found","reason":"missing"}')
    alone = answer("200 OK", b'{"cluster":{"q":2,"n":1,"w":1,"r":1}}')
    server, link = serve(missing, alone, missing)
    database = CouchDatabase(link, "db", "db")
    for _ in range(2):
        with pytest.raises(NotFound):
            database.get(DocId("a"))
    assert len(server.requests) == 3


def test_an_answer_cut_in_the_middle_is_no_answer(serve: Serve) -> None:
    """Half a JSON text is never taken for the whole."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20000\r\n\r\n" + b'{"a":[1'
    _, link = serve(cut, closes_after=True)
    with pytest.raises(Unavailable):
        link.json("GET", ("db",), repeat=True)


def test_a_silent_server_is_given_up_after_the_time_limit(serve: Serve) -> None:
    """And not asked again: whatever holds it up would hold up the second request."""
    server, link = serve(b"", OK)  # a second request would be answered
    with pytest.raises(Unavailable, match="timed out"):
        link.request("GET", ("db",), repeat=True, answer_s=0.1)
    assert server.heard.wait(60)
    link.json("GET", ("after",))
    assert [request.split()[1] for request in server.requests] == [b"/db", b"/after"]


def test_closing_wakes_a_request_that_waits(serve: Serve) -> None:
    """A node that stops does not wait for its longpolls."""
    server, link = serve(b"")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(link.request, "GET", ("db",))
        assert server.heard.wait(60)
        link.close()
        with pytest.raises(Unavailable):
            waiting.result(60)
    with pytest.raises(Unavailable, match="closed"):
        link.json("GET", ("db",))


def test_credentials_may_hold_any_character(serve: Serve) -> None:
    """Percent-encoded in the address; the `couchdb` package's own parser stumbles over "@" and ":"."""
    server, _ = serve(OK)
    link = Link(server.url.replace("//", "//c%C3%A1n:b%40%3A%2F@"))
    link.json("GET", ())
    link.close()
    assert b"Authorization: Basic Y8OhbjpiQDov\r\n" in server.requests[0]  # base64("cán:b@:/")


def test_an_error_names_the_address_without_the_password() -> None:
    """It goes to logs."""
    with socket.socket() as nobody:  # refuses, and stays ours meanwhile
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        link = Link(f"http://admin:secret@127.0.0.1:{port}")
        with pytest.raises(Unavailable, match=f"http://127.0.0.1:{port} does not answer") as caught:
            link.json("GET", ())
    assert "secret" not in caught.value.reason


def test_a_cluster_whose_nodes_call_themselves_differently_is_refused(serve: Serve) -> None:
    """Behind a load balancer the store would be another one at each start; the error says what to set."""
    server, link = serve(
        answer("200 OK", b'{"couchdb":"Welcome","uuid":"bbb"}'),
        answer("404 Object Not Found", b'{"error":"not_found","reason":"missing"}'),
        answer("412 Precondition Failed", b'{"error":"file_exists","reason":"it is there"}'),
        answer("200 OK", b'{"rows":[{"id":"store-aaa"}]}'),
        answer("200 OK", b'{"cluster_nodes":["a@x","b@x"]}'),
    )
    with pytest.raises(Unavailable, match=r"2 nodes .* set \[couchdb\] uuid"):
        fetch_uuid(link, "x")
    assert not any(request.startswith(b"PUT /x/") for request in server.requests)


@pytest.mark.parametrize("url", ["couch", "ftp://host", "http://", "http://host?x=1", "http:///db"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At once, with an example of one that is."""
    with pytest.raises(BadRequest, match="http://user:password@host:5984"):
        parse_url(url)
