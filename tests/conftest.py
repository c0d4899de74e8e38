"""What holds for every test: Hypothesis draws the same examples on every machine, and waiting for a disk is left out.

What decides whether something lands must not be luck: a red run is red again, and a green one stays green elsewhere
(docs/decisions/0194). To look for new cases, with fresh examples and seeds: `TRAM_EXPLORE=1 make test`, `make fuzz`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

MEMORY = Path("/dev/shm")  # a file system in memory, where Linux has one
ROOM_BYTES = 4 * 1024**3

settings.register_profile(
    "suite",
    derandomize=not os.environ.get("TRAM_EXPLORE"),
    deadline=None,  # a time limit for one example would fail on whoever shares the machine
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Keep homes and stores of the tests in memory where there is room: half of the suite's time was spent in fsync.

    Everything is synced as ever, it only costs nothing. What is about disks (`tests/replication/durability`) stays on
    one. `PYTEST_DEBUG_TEMPROOT` or `--basetemp` say otherwise.
    """
    if config.getoption("basetemp") is None and _has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _has_room() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    in_memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(in_memory, shutil.disk_usage(MEMORY).free) > ROOM_BYTES
