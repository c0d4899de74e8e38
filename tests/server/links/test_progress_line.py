"""What `tram sync` prints while it works."""

from __future__ import annotations

import io
from typing import Any

from replication.replicator import JobState, Progress
from server.cli.progress import ProgressLine, build_bar, progress_text


def _progress(**changes) -> Progress:
    values: dict[str, Any] = {
        "label": "a → b",
        "state": JobState.SENDING,
        "queued_docs": 30,
        "docs_written": 10,
        "refused": 0,
        "bytes_out": 0,
        "bytes_in": 0,
        "rate_bps": 64_000,
        "last_success": None,
        "last_error": None,
        "queued_bytes": 1_500_000,
        "eta_s": 188.0,
    }
    return Progress(**(values | changes))


class Terminal(io.StringIO):
    """Text that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_says_what_is_to_go_how_fast_and_how_long() -> None:
    """And what is wrong, first in plain words."""
    assert progress_text([_progress()]) == "30 documents to go, 1.4 MB, 64 kbit/s, 3 min left"
    cut = _progress(state=JobState.CUT, last_error="cannot reach 10.0.0.1:1: timed out", eta_s=None)
    assert "The other node cannot be reached (cannot reach 10.0.0.1:1: timed out)" in progress_text([cut])


def test_a_terminal_has_one_line_that_is_redrawn() -> None:
    """No scrolling, and nothing is left behind at the end."""
    out = Terminal()
    line = ProgressLine("parent", out)

    line([_progress()])
    line([_progress(queued_docs=0, docs_written=40)])
    line.end()

    assert "\n" not in out.getvalue()
    assert "[######------------------]  25 %" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")
    assert build_bar([]) == f"[{'#' * 24}] 100 %"


def test_a_log_gets_a_plain_line_now_and_then_and_none_twice() -> None:
    """Half a second later there is nothing to print, and nothing at all while nothing changes."""
    out, now = io.StringIO(), [0.0]
    line = ProgressLine("parent", out, lambda: now[0])
    for _ in range(40):
        line([_progress()])
        now[0] += 0.5
    line([_progress(queued_docs=29)])

    assert out.getvalue().splitlines() == [
        "parent: 30 documents to go, 1.4 MB, 64 kbit/s, 3 min left",
        "parent: 29 documents to go, 1.4 MB, 64 kbit/s, 3 min left",
    ]
