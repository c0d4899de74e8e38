"""Links that are dead, or lie, or come back after a week: the normal case."""

from __future__ import annotations

import gc
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc
from replication.errors import LinkCut
from replication.http import OpenAccess, create_app
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.peers.readiness import wait_ready
from replication.replicator import DatabaseState, JobState, Link, Pair, Progress
from replication.replicator.alarm import Alarm
from replication.replicator.backoff import STEPS_S
from replication.serving import Server
from replication.serving.loopback import has_ipv6
from replication.sqlite import SqliteStore
from replication.store import Database

Events = Callable[..., list[Doc]]
TRIES = len(STEPS_S)


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


def pump_to_the_end(endpoint: Endpoint) -> None:
    """Pump until the connection is lost, which raises."""
    while True:
        endpoint.pump(1.0)


def test_a_name_that_does_not_resolve_is_a_dead_link_until_it_does(
    near: Database,
    near_peer: LocalPeer,
    our_server: str,
    far_store: SqliteStore,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver fails three times; the pair says so in words, and all arrives when it answers."""
    near.bulk_docs(events(5), new_edits=False)
    resolve, fails = socket.getaddrinfo, iter(range(3))

    def sometimes(host: str, *args: Any, **options: Any) -> Any:
        if host != "district.invalid":
            return resolve(host, *args, **options)
        if next(fails, None) is not None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    seen: list[Progress] = []
    far = HttpPeer(Endpoint(f"http://district.invalid:{port_of(our_server)}"), "far")
    link = Link([Pair(near_peer, far, DatabaseState(near))], on_progress=lambda progress: seen.append(progress[0]))
    figures = link.run(threading.Event())

    errors = {entry.last_error for entry in seen if entry.state is JobState.CUT}
    assert any("district.invalid" in (error or "") and "name resolution" in (error or "") for error in errors)
    assert (figures.docs_written, far_store.open("far").info().doc_count) == (5, 5)


def test_an_address_in_vietnamese_is_dialled_and_asked(our_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of machines and paths travel as ASCII; a name that can be none is said to be."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def here(host: str, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    endpoint = Endpoint(f"http://Tỉnh.vn:{port_of(our_server)}/đường-dẫn%20x")
    endpoint.connect()
    answer = endpoint.request("GET", "/")
    while not answer.done:
        endpoint.pump(1.0)
    endpoint.close()

    assert (asked, answer.result().answer.status) == (["xn--tnh-dlz.vn"], 404)
    assert endpoint.label.endswith("/%C4%91%C6%B0%E1%BB%9Dng-d%E1%BA%ABn%20x")
    with pytest.raises(ValueError, match="no name of a machine"):
        Endpoint("http://" + "ộ" * 64 + ".vn")


def test_clocks_that_jump_move_nothing(
    near: Database,
    near_peer: LocalPeer,
    our_server: str,
    far_store: SqliteStore,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wall clock goes to 1970, to 2100 and back at every look: documents, order and waits do not care."""
    near.bulk_docs(events(60), new_edits=False)
    jumps = cycle([0.0, 4_102_444_800.0, -1.0, 1_700_000_000.0])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    with WeakLink(
        ("127.0.0.1", port_of(our_server)), Profile(256_000, 256_000, 20, cut_every_s=0.5, cut_for_s=0.1)
    ) as weak:
        pair = Pair(near_peer, HttpPeer(Endpoint(weak.url), "far"), DatabaseState(near))
        figures = Link([pair], random=lambda: 0.0).run(threading.Event())

    assert figures.docs_written == 60
    assert 0 < figures.seconds < 600  # a clock that jumps would make it years
    assert far_store.open("far").info().doc_count == 60


def test_after_a_week_offline_it_goes_on_within_thirty_seconds(
    near: Database,
    near_peer: LocalPeer,
    our_server: str,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waits pass at once and are added up: every try of seven days fails, the next after the line's return succeeds."""
    week_s, now_s, tries = 7 * 86_400.0, 0.0, 0
    near.bulk_docs(events(3), new_edits=False)
    connect = socket.create_connection

    def pass_time(_alarm: Alarm, timeout_s: float) -> None:
        nonlocal now_s
        now_s += timeout_s

    def reach(*args: Any, **options: Any) -> socket.socket:
        nonlocal tries
        tries += 1
        if now_s < week_s:
            raise OSError("Network is unreachable")
        return connect(*args, **options)

    monkeypatch.setattr(Alarm, "wait", pass_time)
    monkeypatch.setattr(socket, "create_connection", reach)
    pair = Pair(near_peer, HttpPeer(Endpoint(our_server), "far"), DatabaseState(near))
    figures = Link([pair]).run(threading.Event())

    assert figures.docs_written == 3
    assert week_s <= now_s <= week_s + 30
    assert tries > 20_000


def test_a_login_page_that_comes_in_pieces_is_asked_for_ever_more_seldom(
    near: Database, near_peer: LocalPeer, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are no sign of the peer: the tries grow as rare as on a dead line, and none is counted as a cut."""
    near.bulk_docs(events(1), new_edits=False)
    ended, waits = threading.Event(), []

    def pass_time(_alarm: Alarm, timeout_s: float) -> None:
        waits.append(timeout_s)
        if len(waits) == TRIES:
            ended.set()

    def show_page(listener: socket.socket) -> None:
        for _ in range(TRIES):
            with listener.accept()[0] as client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20000\r\n\r\n<html>")
                client.settimeout(0.05)
                with suppress(OSError):  # who does not leave at the sight of the head gets the rest of the page
                    client.recv(65536)
                with suppress(OSError):
                    client.sendall(b" " * 19_994)

    monkeypatch.setattr(Alarm, "wait", pass_time)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        portal = threading.Thread(target=show_page, args=(listener,))
        portal.start()
        far = HttpPeer(Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"), "far")
        figures = Link([Pair(near_peer, far, DatabaseState(near))], random=lambda: 0.5).run(ended)
        portal.join()

    assert (waits[0], waits[-1]) == (0.2, 30.0)
    assert figures.cuts == 0


def test_the_socket_is_set_for_a_thin_line(our_server: str) -> None:
    """No delay, little unsent in the kernel, and a dead peer is noticed in half a minute also when idle."""
    endpoint = Endpoint(our_server)
    endpoint.connect()
    with socket.socket(fileno=os.dup(endpoint.fileno())) as line:
        options = {
            name: line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name, 25))
            for name in (
                "TCP_NODELAY",
                "TCP_NOTSENT_LOWAT",
                "TCP_USER_TIMEOUT",
                "TCP_KEEPIDLE",
                "TCP_KEEPINTVL",
                "TCP_KEEPCNT",
            )
        }
        alive = line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    endpoint.close()

    assert alive == 1
    assert options.pop("TCP_NODELAY") == 1
    assert options == {
        "TCP_NOTSENT_LOWAT": 8192,
        "TCP_USER_TIMEOUT": 30_000,
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 4,
    }


@pytest.fixture
def private_ca(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A CA nobody else knows, and a certificate of it for 127.0.0.1: (CA, certificate with chain, key)."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("Tỉnh", "Tỉnh", ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = certificate("node", "Tỉnh", key, ca_key, alternative)
    for name, each in (("ca.pem", [ca]), ("node.pem", [leaf, ca])):
        (tmp_path / name).write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in each))
    (tmp_path / "node.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tmp_path / "ca.pem", tmp_path / "node.pem", tmp_path / "node.key"


def certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture
def secure_server(private_ca: tuple[Path, Path, Path], far_store: SqliteStore) -> Iterator[int]:
    """The port of our server over TLS, with a certificate of the private CA."""
    _ca, chain, key = private_ca
    with Server(create_app(OpenAccess(far_store)), port=0, certificate=chain, key=key) as server:
        yield port_of(server.url)


def test_over_tls_with_a_private_ca_a_reconnect_costs_half_the_first_handshake(
    near: Database,
    near_peer: LocalPeer,
    far_store: SqliteStore,
    private_ca: tuple[Path, Path, Path],
    secure_server: int,
    events: Events,
) -> None:
    """The ticket of the last connection stands in for the certificates; over cuts all arrives, through TLS."""
    near.bulk_docs(events(40), new_edits=False)
    tls = ssl.create_default_context(cafile=str(private_ca[0]))
    with WeakLink(("127.0.0.1", secure_server)) as weak:
        endpoint = Endpoint(f"https://127.0.0.1:{weak.port}", tls=tls)
        peer, sizes = HttpPeer(endpoint, "far"), []
        counted: list[int] = []
        for _ in range(3):
            before = weak.figures().up_bytes + weak.figures().down_bytes
            endpoint.connect()
            greeting = peer.create()
            while not greeting.done:
                endpoint.pump(1.0)
            sizes.append(weak.figures().up_bytes + weak.figures().down_bytes - before)
            endpoint.close()
            counted.append(endpoint.traffic.bytes_out + endpoint.traffic.bytes_in - sum(counted))

    # One request of 0.6 KB each; the handshake is 2.1 KB with a chain of two certificates, 1.1 KB with a ticket.
    first, *resumed = sizes
    assert first < 3200
    assert all(size < first - 800 for size in resumed)
    if sys.platform == "linux":  # elsewhere what TLS adds is not told
        # The server's last word, 24 bytes that say the connection ends, comes when nobody listens any more.
        assert counted == pytest.approx(sizes, abs=100)

    with WeakLink(("127.0.0.1", secure_server), Profile(96_000, 96_000, 20, cut_every_s=1.5, cut_for_s=0.1)) as weak:
        far = HttpPeer(Endpoint(f"https://127.0.0.1:{weak.port}", tls=tls), "far")
        figures = Link([Pair(near_peer, far, DatabaseState(near))], random=lambda: 0.0).run(threading.Event())
    assert figures.cuts >= 1
    assert far_store.open("far").info().doc_count == 40


def test_a_connection_beside_another_is_greeted_with_its_ticket(
    private_ca: tuple[Path, Path, Path], secure_server: int
) -> None:
    """Whoever waits for news, fetches ahead or audits shows no certificates again, while the first goes on."""
    tls = ssl.create_default_context(cafile=str(private_ca[0]))

    def carried(endpoint: Endpoint) -> int:
        """Greet, ask once, and return the bytes that took."""
        before = endpoint.traffic.bytes_out + endpoint.traffic.bytes_in
        endpoint.connect()
        asked = endpoint.request("GET", "/")
        while not asked.done:
            endpoint.pump(1.0)
        return endpoint.traffic.bytes_out + endpoint.traffic.bytes_in - before

    first = Endpoint(f"https://127.0.0.1:{secure_server}", tls=tls)
    beside = first.sibling(stall_s=20.0)
    try:
        whole, resumed = carried(first), carried(beside)
        assert first.connected
    finally:
        first.close()
        beside.close()
    if sys.platform == "linux":  # elsewhere what TLS adds is not told
        assert resumed < whole - 800


def test_tickets_that_come_unasked_are_no_end_of_a_connection(
    private_ca: tuple[Path, Path, Path], secure_server: int
) -> None:
    """TLS 1.3 sends them behind the greeting: a line that came back was left for them, and again at each try."""
    tls = ssl.create_default_context(cafile=str(private_ca[0]))
    endpoint = Endpoint(f"https://127.0.0.1:{secure_server}", tls=tls)
    assert endpoint.connect()
    readable, _ = wait_ready([endpoint], [], 10)
    assert readable == {endpoint.fileno()}

    endpoint.check_fresh()
    assert not endpoint.connect()  # the one that is there is used
    endpoint.close()


def test_over_tls_too_a_box_that_accepts_and_ends_is_no_line(private_ca: tuple[Path, Path, Path]) -> None:
    """It greets as a server does, tickets and all, and then ends the connection."""
    ca, chain, key = private_ca
    box = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    box.load_cert_chain(chain, key)

    def greet_and_end(listener: socket.socket) -> None:
        box.wrap_socket(listener.accept()[0], server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet_and_end, args=(listener,))
        thread.start()
        endpoint = Endpoint(
            f"https://127.0.0.1:{listener.getsockname()[1]}", tls=ssl.create_default_context(cafile=str(ca))
        )
        endpoint.connect()
        wait_ready([endpoint], [], 10)
        with pytest.raises(LinkCut, match="accepted the connection and ended it"):
            endpoint.check_fresh()
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"\x16\x03\x03\x00\x7a\x02"], ids=["nothing", "half a greeting"])
def test_a_line_cut_while_tls_greets_is_a_cut_and_no_stranger(answer: bytes) -> None:
    """Nobody has shown who they are yet; people who read "stranger" would mend a link that is right."""

    def end(listener: socket.socket) -> None:
        with listener.accept()[0] as line:
            line.recv(4096)
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=end, args=(listener,))
        thread.start()
        endpoint = Endpoint(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(LinkCut, match="broke off while greeting: the peer ended the connection"):
            endpoint.connect()
        thread.join()


def test_a_line_that_is_reset_before_tls_greets_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that is left to the garbage collector is a warning, so an error."""

    def until_reset(plain: socket.socket) -> None:
        taken, _ = listener.accept()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        taken.close()
        wait_ready([plain], [], 10)

    monkeypatch.setattr("replication.peers.dialling._tune", until_reset)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(LinkCut, match="broke off while greeting"):
            Endpoint(f"https://127.0.0.1:{listener.getsockname()[1]}").connect()
        gc.collect()


@pytest.mark.parametrize(
    ("last", "words"), [(b"", "the peer ended the connection"), (b"HTTP/1.1 502 Bad\r\n\r\n", "gave up the connection")]
)
def test_a_line_cut_while_a_body_goes_out_over_tls_is_told_as_a_cut(
    private_ca: tuple[Path, Path, Path], last: bytes, words: str
) -> None:
    """Ended, or spoken into by a box on the way: in the words of any other line, not in OpenSSL's."""
    ca, chain, key = private_ca
    box = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    box.load_cert_chain(chain, key)

    def read_a_little_and_end(listener: socket.socket) -> None:
        greeted = box.wrap_socket(listener.accept()[0], server_side=True)
        greeted.recv(100)
        with socket.socket(fileno=greeted.detach()) as line, suppress(ConnectionError):
            line.sendall(last)
            while last and line.recv(65536):  # stays until it is left
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=read_a_little_and_end, args=(listener,))
        thread.start()
        endpoint = Endpoint(
            f"https://127.0.0.1:{listener.getsockname()[1]}", tls=ssl.create_default_context(cafile=str(ca))
        )
        endpoint.connect()
        endpoint.request("POST", "/far", os.urandom(8 * 1024 * 1024), packed_as="")
        with pytest.raises(LinkCut, match=words):
            pump_to_the_end(endpoint)
        thread.join()


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        pytest.param("::1", "[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="no address ::1 here")),
    ],
)
def test_an_address_is_told_as_it_is_written(host: str, shown: str) -> None:
    """Of "::1:5984" nobody can say which part is the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as nobody:
        nobody.bind((host, 0))
        place = f"{shown}:{nobody.getsockname()[1]}"
        endpoint = Endpoint(f"https://{place}")
        with pytest.raises(LinkCut, match=re.escape(f"cannot reach {place}: ")):
            endpoint.connect()
    assert endpoint.label == f"https://{place}"


def test_sync_and_audit_take_a_private_ca_and_trust_nobody_else(
    tmp_path: Path, far_store: SqliteStore, private_ca: tuple[Path, Path, Path], secure_server: int, events: Events
) -> None:
    """`--ca` names it; a file that is no CA is a command line that cannot be used, and nothing is sent."""
    source = SqliteStore(tmp_path / "source")
    source.create("db").bulk_docs(events(3), new_edits=False)
    source.close()
    ca, _chain, key = private_ca

    def call(word: str, authority: Path) -> int:
        address = f"https://127.0.0.1:{secure_server}/far"
        command = [sys.executable, "-m", "replication", word, f"sqlite:{tmp_path}/source/db", address]
        return subprocess.run(
            [*command, "--ca", str(authority)], capture_output=True, timeout=120, check=False
        ).returncode

    assert (call("sync", key), call("audit", key)) == (2, 2)
    assert far_store.names() == []
    assert call("sync", ca) == 0
    assert far_store.open("far").info().doc_count == 3
    assert call("audit", ca) == 0
