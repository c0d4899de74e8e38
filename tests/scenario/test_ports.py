"""The ports of the demo: taken ones are named, and moved ones are followed by homes that were made before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.scenario.processes import DidNotStart, free_port, run_tram
from deploy.scenario.tiers import COMMUNE, DISTRICT, PORTS_BESIDE, PROVINCE, Province


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Province:
    """A province that was made once and never started."""
    province = Province(tmp_path_factory.mktemp("demo") / "homes", port_base=free_port(*PORTS_BESIDE))
    province.make()
    return province


@pytest.fixture
def stranger(made: Province) -> Iterator[int]:
    """A port that the district wants, and somebody else has."""
    with closing(socket.create_server(("127.0.0.1", made.port(DISTRICT)))):
        yield made.port(DISTRICT)


def test_a_port_that_somebody_has_is_named_before_anything_starts(made: Province, stranger: int) -> None:
    """A demo left running elsewhere answers as a node does; it is not taken for one of ours."""
    with pytest.raises(DidNotStart, match=rf"another program has {stranger}: .*TRAM_PORT_BASE"):
        made.start_all()

    assert made.children == {}
    assert made.links == {}


def test_homes_follow_when_the_ports_move(made: Province) -> None:
    """With another TRAM_PORT_BASE each node calls its neighbours there, not where the first run had them."""
    moved = Province(made.root, port_base=made.port_base + 100)

    moved.point_links()

    for tier, port in ((COMMUNE, 110), (DISTRICT, 111), (PROVINCE, 112)):
        assert f"http://127.0.0.1:{made.port_base + port}" in run_tram("link", "list", moved.home(tier))
