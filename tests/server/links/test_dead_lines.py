"""Two nodes and what may stand between them: what each kind of dead line is called, and that it ends by itself."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.link import Link as WeakLink
from bench.link import Mode
from replication.errors import LinkCut
from server.home import Home
from server.intake.source import Source
from server.links import link as neighbourlink
from server.links import meeting as neighbour
from server.links.link import NUDGE_S
from server.links.meeting import CONNECT_S, MUTE_S, Meeting
from server.links.neighbours import Neighbour
from server.links.retry import LONGEST_S
from server.links.sync import LOOK_EVERY_S
from server.links.troubles import explain_trouble
from server.pki.authority import Authority
from tests.server.conftest import issue_person, submission

HALF_A_MINUTE_S = 30.0
WAITED_S = 60.0  # how long an answer may have taken on a machine with other work; clocks here are days apart


@pytest.fixture
def weak(office: Any, serve: Any, make_homes: Any) -> Iterator[tuple[Any, WeakLink]]:
    """A commune's office whose link to a running district goes through a line that can fail."""
    district, url = serve(Home.open(office.node.home.path.parent / "h41-12"))
    with WeakLink(("127.0.0.1", int(url.rpartition(":")[2]))) as line:
        office.node.links.put(Neighbour("parent", f"http://huyen.invalid:{line.port}", "parent"))
        yield district, line


class Resolver:
    """Knows huyen.invalid as this machine, or nobody at all."""

    def __init__(self) -> None:
        self.works = True
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **options: Any) -> Any:
        if host != "huyen.invalid":
            return self._real(host, *args, **options)
        if not self.works:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._real("127.0.0.1", *args, **options)


@pytest.mark.slow
def test_each_dead_line_is_named_and_dossiers_go_on_when_it_ends(
    office: Any, weak: tuple[Any, WeakLink], helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not found, a login page, a reset nobody tells us of: the word officials read; then all arrives."""
    district, line = weak
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    node = office.node

    def word() -> str:
        error = node.sync.status()[0].last_error
        return explain_trouble(error).word if error else ""

    def arrives() -> None:
        stream = office.file()
        helpers.wait_until(lambda: district.model.queries.dossier(stream))
        helpers.wait_until(lambda: word() == "")

    resolver.works = False
    node.sync.start()
    helpers.wait_until(lambda: word() == "dns")
    resolver.works = True
    arrives()
    for mode, words in {
        Mode.PORTAL: {"portal"},
        Mode.HALF_OPEN: {"cut", "unreachable"},
    }.items():
        line.cut(mode)
        office.file()  # there must be something to send, else nobody notices
        helpers.wait_until(lambda: word() in words)  # noqa: B023 - called in this round
        line.restore()
        arrives()
    assert node.sync.status()[0].last_success is not None


def test_a_line_that_takes_the_call_and_says_nothing_is_left(commune: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in between may accept what never reaches the neighbour: that costs no more than a swallowed call."""
    monkeypatch.setattr(neighbour, "MUTE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        meeting = Meeting(
            f"http://127.0.0.1:{mute.getsockname()[1]}",
            signer=commune.signer,
            chain=[],
            clock=commune.intake._clock,
            ours=lambda _unit: (),
        )
        began = time.monotonic()
        with pytest.raises(LinkCut, match="no byte moved"):
            meeting.fetch_acquaintance()

    assert time.monotonic() - began < MUTE_S  # by the limit set here, not by the usual one


def test_every_try_with_the_wait_after_it_stays_within_half_a_minute() -> None:
    """Before the neighbour is met and after: a call swallowed, or taken and left unanswered."""
    assert max(CONNECT_S, MUTE_S) + LONGEST_S <= HALF_A_MINUTE_S
    assert max(CONNECT_S, MUTE_S) + NUDGE_S + LOOK_EVERY_S <= HALF_A_MINUTE_S


def test_nodes_whose_clocks_are_days_apart_replicate_and_say_so(make_homes: Any, serve: Any, helpers: Any) -> None:
    """Tokens are made by the neighbour's clock; how far it is off is kept for people."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, _ = serve(homes["H41.12.03"], now=lambda: datetime.now(UTC) + timedelta(days=3))
    commune.links.put(Neighbour("parent", url, "parent"))

    commune.sync.start()
    helpers.wait_until(lambda: commune.database in district.store.names())
    helpers.wait_until(lambda: district.store.open(commune.database).info().doc_count)

    (status,) = commune.sync.status()
    assert status.last_error is None
    assert status.clock_offset_s == pytest.approx(-3 * 86_400, abs=WAITED_S)


def test_a_clock_that_is_set_while_the_link_runs_is_met_again(
    make_homes: Any, serve: Any, helpers: Any, key_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The district's clock jumps a day ahead: tokens are refused for a moment, made anew, and dossiers go on."""
    monkeypatch.setattr(neighbourlink, "REINTRODUCE_AFTER_S", 1.0)
    homes, ahead = make_homes(), [timedelta()]
    district, url = serve(homes["H41.12"], now=lambda: datetime.now(UTC) + ahead[0])
    commune, _ = serve(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    person = issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, person.certificate)
    commune.sync.start()
    helpers.wait_until(lambda: commune.database in district.store.names())

    ahead[0] = timedelta(days=1)
    event = person.sign(submission(commune.unit, person))
    (result,) = commune.intake.admit(commune.database, [event], source=Source("local", commune.signer.urn))
    assert result.error is None
    helpers.wait_until(lambda: district.model.queries.dossier(event.id.partition(":")[0]))

    assert commune.sync.status()[0].clock_offset_s == pytest.approx(86_400, abs=WAITED_S)
