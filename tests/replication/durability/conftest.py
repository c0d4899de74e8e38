"""These tests are about disks: their files lie on one, wherever those of other tests do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """An empty folder on the disk that temporary files are kept on."""
    with tempfile.TemporaryDirectory(prefix="tram-durability-") as folder:
        yield Path(folder)
