"""A directory to imagine disks in. What it lies on does not matter: the recorder decides what a cut leaves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")


@contextmanager
def open_workplace() -> Iterator[Path]:
    """Lend an empty directory, in memory where the system has such a place: nothing here waits for a real fsync."""
    place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tram-power-cut-", dir=place) as directory:
        yield Path(directory).resolve()
