"""What measures phones: the PWA's outbox, run by Node, against a real node over a line that is cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import bench_phone
from bench.link import Profile

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run the outbox")
LINE = Profile(2_000_000, 2_000_000, 20, cut_every_s=1.5, cut_for_s=0.3, cut_jitter=0.3, seed=1)


def test_photographs_arrive_over_a_line_that_breaks(tmp_path: Path) -> None:
    """In chunks of either size every byte is there at last, and little more than once."""
    with bench_phone.commune(tmp_path) as registered:
        for how in ("outbox", "large"):
            sent = bench_phone.send(registered, LINE, how)
            assert sent.seconds < bench_phone.LIMIT_S
            assert 1.0 < sent.bytes_up < 2.0, how


def test_whole_photographs_arrive_where_the_line_holds() -> None:
    """Each in one request, and no more than that goes up."""
    with bench_phone.reader() as port:
        sent = bench_phone.send_whole(port, Profile(2_000_000, 2_000_000, 20))
    assert sent.seconds < bench_phone.LIMIT_S
    assert 1.0 < sent.bytes_up < 1.05
