"""The power goes at a random moment: everything acknowledged is there, and nothing else."""

from __future__ import annotations

import pytest

from tests.replication.durability.powercut import run_seed
from tests.replication.durability.sqlitevfs import load_library
from tests.replication.durability.workplace import open_workplace

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_loses_nothing_that_was_acknowledged(seed: int) -> None:
    """A store works, loses its power, comes back and works on; `soak` runs the same for more seeds."""
    library = load_library()
    if library is None:
        pytest.skip("this Python's sqlite3 hides its SQLite library, so no VFS can be put under it")

    with open_workplace() as directory:
        tally = run_seed(seed, directory, library)

    assert tally.cuts
