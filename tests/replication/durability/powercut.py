"""One seed: a store works, the power goes at points drawn at random, and what is found then is judged."""

from __future__ import annotations

import ctypes
import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from replication.document import Doc, DocId, Rev
from replication.sqlite import SqliteStore
from tests.replication.durability.disk import Acknowledged, Cut, Image
from tests.replication.durability.recorder import Recorder
from tests.replication.durability.states import DatabaseState, StoreState, read_store
from tests.replication.durability.workload import History, Workload

CALLS = 24
CUTS_PER_LIFE = 4
INDEX_BYTES = 32_768


@dataclass
class Tally:
    """What a run saw. `renewed` counts databases that began a new life though nothing forced them to, `swept` files
    that a cut had left of a database being made or deleted."""

    cuts: int = 0
    steps: int = 0
    renewed: int = 0
    swept: int = 0

    def add(self, other: Tally) -> None:
        self.cuts += other.cuts
        self.steps += other.steps
        self.renewed += other.renewed
        self.swept += other.swept


def run_seed(seed: int, directory: Path, library: ctypes.CDLL) -> Tally:
    """Let one store live, lose its power and live on, two or three times. Raises `AssertionError` at the first lie."""
    rand = random.Random(seed)
    tally = Tally()
    root = directory / "life-0"
    root.mkdir(parents=True)
    history: History | None = None
    for life in range(rand.randint(2, 3)):
        recorder = Recorder(root, directory / f"vault-{life}")
        with recorder.recording(library):
            work = Workload(root, rand, history, recorder.acknowledge)
            recorder.acknowledge(0)
            work.run(CALLS)
        history = work.history
        root = directory / f"life-{life + 1}"
        for nth in range(CUTS_PER_LIFE):
            position = draw_position(recorder, rand)
            cut = Cut.draw(rand)
            try:
                judge(recorder, position, cut, root, history, rand, tally, last=nth == CUTS_PER_LIFE - 1)
            except Exception as exc:
                done = sum(isinstance(step, Acknowledged) for step in recorder.steps[:position]) - 1
                around = f"after call {done} ({history.calls[max(done, 0)]}) of {history.calls[done + 1 : done + 2]}"
                exc.add_note(f"seed {seed}, life {life}, step {position} of {len(recorder.steps)}, {around}, {cut}")
                raise
        tally.steps += len(recorder.steps)
    return tally


def draw_position(recorder: Recorder, rand: random.Random) -> int:
    """Return where the power goes: anywhere, or right behind an acknowledgement, where a lie would show first."""
    if rand.random() < 0.3:
        return rand.choice([at for at, step in enumerate(recorder.steps, 1) if isinstance(step, Acknowledged)])
    return rand.randint(0, len(recorder.steps))


def judge(
    recorder: Recorder,
    position: int,
    cut: Cut,
    root: Path,
    history: History,
    rand: random.Random,
    tally: Tally,
    *,
    last: bool,
) -> None:
    """Lay out what a cut at `position` leaves, open it, and compare with what was acknowledged.

    The image is left as a cut made it when it is the `last` one, for the next life to begin with.
    """
    image = recorder.disk_at(position, cut.names).build_image(cut, rand)
    done = [step.number for step in recorder.steps[:position] if isinstance(step, Acknowledged)]
    lay_out(recorder, image, root, rand)
    if rand.random() < 0.5:
        check_files(root)
    parts = sum(".part" in path.name for path in root.iterdir())
    store = SqliteStore(root)
    try:
        tally.swept += parts
        assert not [path.name for path in root.iterdir() if ".part" in path.name]
        found = read_store(store)
        for name in found:
            assert store.open(name).check() == []
        compare(found, history, done[-1] if done else None, tally)
        check_content(found, history)
        check_peers(store, found, history, done[-1] if done else 0)
        check_service(store)
    finally:
        store.close()
    check_files(root)
    tally.cuts += 1
    if last:
        lay_out(recorder, image, root, rand)


def lay_out(recorder: Recorder, image: Image, root: Path, rand: random.Random) -> None:
    """Write the image, and beside each database an index of the WAL that cannot be trusted."""
    recorder.lay_out(image, root)
    for path in sorted(root.glob("*.sqlite")):
        if rand.random() < 0.5:
            path.with_name(path.name + "-shm").write_bytes(rand.randbytes(INDEX_BYTES))


def check_files(root: Path) -> None:
    """Every database is sound to SQLite alone, without any of our code."""
    for path in (*root.glob("*.sqlite"), *root.glob("store.db")):
        conn = sqlite3.connect(path)
        try:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path.name
        finally:
            conn.close()


def compare(found: StoreState, history: History, done: int | None, tally: Tally) -> None:
    """What is found is the state after the last acknowledged call, or after the one that was under way: nothing
    between, nothing older, nothing else. Seqs too: a database goes back behind no seq it told."""
    # Before the store was open there was nothing to acknowledge but what the last life left.
    states = history.states[:1] if done is None else history.states[done : done + 2]
    if any(found == state for state in states):
        return
    bare = {name: state.without_identity() for name, state in found.items()}
    wanted = [{name: state.without_identity() for name, state in expected.items()} for expected in states]
    assert bare in wanted, describe(bare, wanted)
    tally.renewed += 1  # `check_peers` shows that no peer is misled by it


def describe(found: dict[str, DatabaseState], wanted: list[dict[str, DatabaseState]]) -> str:
    """Return where a state differs from each that was allowed."""
    lines = [f"databases found {sorted(found)}, allowed {[sorted(states) for states in wanted]}"]
    for states in wanted:
        for name in sorted(set(found) & set(states)):
            mine, theirs = found[name], states[name]
            lines += [
                f"{name}.{part}: found {getattr(mine, part)!r:.300}, expected {getattr(theirs, part)!r:.300}"
                for part in mine.__dataclass_fields__
                if part != "leaves" and getattr(mine, part) != getattr(theirs, part)
            ]
            ids = mine.leaves.keys() | theirs.leaves.keys()
            wrong = sorted(key for key in ids if mine.leaves.get(key) != theirs.leaves.get(key))
            lines += [f"{name}: documents that differ: {wrong}"] if wrong else []
    return "\n".join(lines)


def check_content(found: StoreState, history: History) -> None:
    """Every leaf is byte for byte what was sent under that name."""
    for name, state in found.items():
        for doc_id, leaves in state.leaves.items():
            for leaf in leaves:
                files = {file.name: file.data for file in leaf.files}
                sent = history.sent.get((doc_id, leaf.rev))
                if sent is None:  # an edit whose answer never came has a name nobody heard
                    bodies = [body for (sent_id, _), (body, _, _) in history.sent.items() if sent_id == doc_id]
                    assert leaf.body in bodies, f"{name}: {doc_id} {leaf.rev} was never sent"
                    continue
                assert (leaf.body, leaf.deleted, files) == sent, f"{name}: {doc_id} {leaf.rev}"


def check_peers(store: SqliteStore, found: StoreState, history: History, done: int) -> None:
    """A peer that goes on from any seq it was told hears of everything that has changed since."""
    for name, seq, then in history.told(done):
        if name not in found:
            continue
        heard = {row.id for row in store.open(name).changes(seq).rows}
        changed = {doc_id for doc_id, leaves in found[name].leaves.items() if then.leaves.get(doc_id) != leaves}
        assert changed <= heard, f"{name}: a peer at {seq} never hears of {sorted(changed - heard)}"


def check_service(store: SqliteStore) -> None:
    """What came back is a working store: it takes a document, and gives a database away and takes it again."""
    for name in store.names():
        db = store.open(name)
        (result,) = db.bulk_docs([Doc(DocId("after"), Rev("1-x"), ("x",))], new_edits=False)
        assert result.error is None
        assert db.get(DocId("after")).rev == "1-x"
    if "scratch" not in store.names():
        store.create("scratch")
        store.delete("scratch")
