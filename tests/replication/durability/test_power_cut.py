"""The power goes at a random moment: everything acknowledged is there, and nothing else."""

from __future__ import annotations

import ctypes
import random
import threading
from pathlib import Path

import pytest

from replication.document import Doc, DocId, Rev
from replication.sqlite import SqliteDatabase, SqliteStore
from tests.replication.durability.disk import Acknowledged, Cut
from tests.replication.durability.powercut import check_files, run_seed
from tests.replication.durability.recorder import Recorder
from tests.replication.durability.sqlitevfs import load_library
from tests.replication.durability.workplace import open_workplace

SEEDS = range(60)
WRITERS = 4


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    """SQLite's own functions in this Python."""
    found = load_library()
    if found is None:
        pytest.skip("this Python's sqlite3 hides its SQLite library, so no VFS can be put under it")
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_loses_nothing_that_was_acknowledged(library: ctypes.CDLL, seed: int) -> None:
    """A store works, loses its power, comes back and works on; `soak` runs the same for more seeds."""
    with open_workplace() as directory:
        tally = run_seed(seed, directory, library)

    assert tally.cuts


@pytest.mark.parametrize("seed", range(3))
def test_writers_that_share_a_commit_lose_nothing_of_it(library: ctypes.CDLL, seed: int) -> None:
    """Threads whose calls are carried out in one transaction: none returns before that is on the disk."""
    rand = random.Random(seed)
    with open_workplace() as directory:
        root = directory / "work"
        root.mkdir()
        recorder = Recorder(root, directory / "vault")
        with recorder.recording(library):
            store = SqliteStore(root)
            write_together(store.create("a"), recorder)
            store.close()
        for _ in range(15):
            position = rand.randint(0, len(recorder.steps))
            acknowledged = {step.number for step in recorder.steps[:position] if isinstance(step, Acknowledged)}
            check_cut(recorder, position, acknowledged, directory / "image", rand)


def write_together(db: SqliteDatabase, recorder: Recorder) -> None:
    """Let threads store documents 1, 2, 3 … each with a number of its own, acknowledged as its call returns."""

    def write(writer: int) -> None:
        for number in range(1 + writer, 80, WRITERS):
            (result,) = db.bulk_docs([Doc(DocId(str(number)), Rev("1-x"), ("x",))], new_edits=False)
            assert result.error is None
            recorder.acknowledge(number)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check_cut(recorder: Recorder, position: int, acknowledged: set[int], image: Path, rand: random.Random) -> None:
    cut = Cut.draw(rand)
    recorder.lay_out(recorder.disk_at(position, cut.names).build_image(cut, rand), image)
    store = SqliteStore(image)
    found = {int(row.id) for name in store.names() for row in store.open(name).changes().rows}
    sound = [store.open(name).check() for name in store.names()]
    store.close()
    check_files(image)

    assert acknowledged <= found, (position, cut)
    assert not any(sound)
