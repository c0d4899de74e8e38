"""The weak link is as weak as it says: rate, delay, cuts and the ways a link lies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.link import Link, Mode, Profile, parse_args


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """The address of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(end: socket.socket) -> None:
        with end:
            try:
                while data := end.recv(65536):
                    end.sendall(data)
            except OSError:
                return  # the link reset us, as it should

    def serve() -> None:
        while True:
            try:
                end, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(end,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def dial(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=60)


def exchange(link: Link, data: bytes) -> bytes:
    """Send `data` and return all that comes back."""
    with dial(link) as end:

        def send() -> None:
            with suppress(OSError):  # the other end may hang up first
                end.sendall(data)
                end.shutdown(socket.SHUT_WR)

        threading.Thread(target=send, daemon=True).start()
        parts = []
        while part := end.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_bytes_travel_at_the_rate_after_the_delay(echo: tuple[str, int]) -> None:
    """16 KB at 128 kbit/s and 200 ms: 1 s for the bytes, 0.2 s for the handshake, 0.2 s there and back."""
    with Link(echo, Profile(up_bps=128_000, down_bps=128_000, rtt_ms=200)) as link:
        begun = time.monotonic()
        assert exchange(link, b"x" * 16_000) == b"x" * 16_000

        assert 1.35 < time.monotonic() - begun < 30  # never quicker; slower where the machine is busy
        figures = link.figures()
    assert (figures.up_bytes, figures.down_bytes, figures.connections, figures.cuts) == (16_000, 16_000, 1, 0)


def test_two_connections_share_one_line(echo: tuple[str, int]) -> None:
    """Twice 8 KB over 128 kbit/s take the second that 16 KB take, not half of it."""
    with Link(echo, Profile(up_bps=128_000)) as link:
        begun = time.monotonic()
        threads = [threading.Thread(target=exchange, args=(link, b"x" * 8000)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 0.95 < time.monotonic() - begun < 30


def test_a_cut_resets_connections_and_restore_lets_new_ones_in(echo: tuple[str, int]) -> None:
    """When `cut` returns nothing moves any more; after `restore` it does."""
    with Link(echo) as link:
        with dial(link) as end:
            end.sendall(b"a")
            assert end.recv(1) == b"a"
            link.cut()
            with pytest.raises(ConnectionResetError):
                end.recv(1)
            answered = b""
            with suppress(ConnectionError):  # whoever meets the reset first, sender or reader, takes the error
                answered = exchange(link, b"b")
            assert answered == b""
        link.restore()

        assert exchange(link, b"c") == b"c"
        assert link.figures().cuts == 1


def test_cuts_come_by_themselves_and_their_time_is_not_up_time(echo: tuple[str, int]) -> None:
    """0.3 s up, 0.2 s down, again and again."""
    begun, pause = time.monotonic(), threading.Event()
    with Link(echo, Profile(cut_every_s=0.3, cut_for_s=0.2)) as link:
        while (figures := link.figures()).cuts < 3:
            assert time.monotonic() - begun < 60
            pause.wait(0.01)
        lasted = time.monotonic() - begun

    assert lasted >= 1.2  # up, down, up, down, up
    assert 0.85 < figures.up_time_s < lasted - 0.35


@pytest.mark.parametrize(
    "mode",
    [
        Mode.BLACKHOLE,  # a router that forgot its table
        Mode.HALF_OPEN,  # the server's side is reset, and the client is never told
    ],
)
def test_an_old_connection_stays_mute_and_new_ones_are_served(echo: tuple[str, int], mode: Mode) -> None:
    """What is sent on it vanishes: no reset, no answer, even after the cut."""
    with Link(echo) as link, dial(link) as end:
        end.sendall(b"a")
        assert end.recv(1) == b"a"
        link.cut(mode)
        link.restore()
        end.sendall(b"b")
        end.settimeout(0.3)

        with pytest.raises(TimeoutError):
            end.recv(1)
        assert exchange(link, b"c") == b"c"


def test_a_stalled_link_loses_nothing(echo: tuple[str, int]) -> None:
    """Bytes sent while it stands still arrive when it moves again."""
    with Link(echo) as link, dial(link) as end:
        end.sendall(b"a")
        assert end.recv(1) == b"a"
        link.cut(Mode.STALL)
        end.sendall(b"b")
        end.settimeout(0.3)
        with pytest.raises(TimeoutError):
            end.recv(1)
        end.settimeout(60)
        link.restore()

        assert end.recv(1) == b"b"


def test_a_cut_falls_where_so_many_bytes_have_gone_up(echo: tuple[str, int]) -> None:
    """In the middle of what is sent, however late anybody looks; once, and until `restore`."""
    with Link(echo, Profile(up_bps=512_000, cut_after_bytes=10_000, mode=Mode.STALL)) as link:
        assert not link.await_cut(0)
        with dial(link) as end:
            threading.Thread(target=end.sendall, args=(bytes(30_000),), daemon=True).start()
            assert link.await_cut()
            assert 10_000 <= link.figures().up_bytes < 12_000
            link.restore()
            came = 0
            while came < 30_000:
                came += len(end.recv(65536))

        assert exchange(link, b"x" * 20_000) == b"x" * 20_000
        assert link.figures().cuts == 1


def test_loss_holds_up_what_is_behind_it_and_loses_nothing(echo: tuple[str, int]) -> None:
    """Each lost segment costs a retransmission timer of a second; every byte arrives in order all the same."""
    data = bytes(range(256)) * 64
    with Link(echo, Profile(up_bps=512_000, loss=0.1, seed=5)) as link:
        begun = time.monotonic()
        assert exchange(link, data) == data
        took_s, figures = time.monotonic() - begun, link.figures()

    assert figures.stalls >= 1
    assert took_s >= 0.25 + 0.9
    assert figures.up_bytes > len(data)


@pytest.mark.parametrize(("mode", "status"), [(Mode.PORTAL, b"200 OK"), (Mode.REDIRECT, b"302 Found")])
def test_a_portal_answers_for_everybody(echo: tuple[str, int], mode: Mode, status: bytes) -> None:
    """Whatever is asked, a web page comes."""
    with Link(echo, Profile(mode=mode)) as link:
        link.cut()
        answer = exchange(link, b"GET / HTTP/1.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"text/html" in answer


def test_corruption_flips_bits_going_up_and_is_the_same_for_a_seed(echo: tuple[str, int]) -> None:
    """About one bit in 1,000 bytes, at places the seed decides."""
    answers = []
    for _ in range(2):
        with Link(echo, Profile(corrupt_every=1000, seed=7)) as link:
            answers.append(exchange(link, bytes(20_000)))

    assert len(answers[0]) == 20_000
    assert 10 <= sum(1 for byte in answers[0] if byte) <= 40
    assert answers[0] == answers[1]


def test_command_line_says_how_to_write_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    """A target without a port is refused with an example; a good line gives the profile."""
    with pytest.raises(SystemExit):
        parse_args(["--listen", "1", "--to", "localhost"])
    assert "HOST:PORT" in capsys.readouterr().err

    to, port, profile = parse_args(["--listen", "9", "--to", "127.0.0.1:5984", "--rate", "64000", "--rtt", "600"])

    assert (to, port) == (("127.0.0.1", 5984), 9)
    assert (profile.up_bps, profile.down_bps, profile.rtt_ms) == (64_000, 64_000, 600)
