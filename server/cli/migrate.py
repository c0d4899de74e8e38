"""`tram migrate`: a stopped node's databases from one engine to the other, and what was left behind forgotten.

    old store ── moved ──► new store ── compared, verified ──► node.json names the new one ──► read model built anew

All of it can be interrupted and called again. The old store stays as it was until `--forget-old`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from replication.comparing import find_unknown
from replication.couch import CouchStore
from replication.errors import NotFound
from replication.migrate import Figures, Progress, migrate
from replication.store import Store
from server.cli.common import Commands, add_home, open_node
from server.engine import open_engine
from server.erasure.traces import Traces
from server.errors import Refused
from server.home import Engine, Home
from server.lock import locked
from server.nodedb import NodeDb
from server.readmodel.tables import drop
from server.verify import verify_store

_SAY_EVERY_S = 1.0
_SAID_PROBLEMS = 5


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("migrate", help="move a stopped node's databases to the other engine")
    add_home(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--to", nargs="+", metavar=("ENGINE", "URL"), help="sqlite, or: couchdb http://user:password@host:5984"
    )
    what.add_argument("--forget-old", action="store_true", help="remove the store the node was moved away from")
    parser.add_argument("--prefix", default="", help="what the names of this node's databases begin with on CouchDB")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    engine = None if arguments.forget_old else _parse_engine(arguments.to, arguments.prefix)
    with locked(home.path):
        home = Home.open(home.path)  # as it is now that nobody else moves it
        return _forget(home) if engine is None else _move(home, engine)


def _parse_engine(words: list[str], prefix: str) -> Engine:
    """Return the engine named on the command line. Raises `Refused("bad_engine")` with the two forms there are."""
    match words:
        case ["sqlite"] if not prefix:
            return Engine()
        case ["couchdb", url]:
            return Engine("couchdb", url, prefix)
    raise Refused("bad_engine", "say: --to sqlite, or: --to couchdb http://user:password@host:5984 [--prefix P]")


# Moving


def _move(home: Home, engine: Engine) -> int:
    present, old = home.settings.engine, home.settings.old_engine
    if engine == present:
        raise Refused("bad_engine", f"{home.path} is on that store already")
    if old is not None and engine != old:
        raise Refused("bad_engine", f"another old store is still kept; first: tram migrate {home.path} --forget-old")
    with closing(open_engine(home, present)) as source, closing(open_engine(home, engine)) as target:
        if source.uuid == target.uuid:
            raise Refused("bad_engine", "that is the same store by another address; to change it edit node.json")
        _refuse_foreign(source, target)
        figures = migrate(source, target, _Teller())
        print(_describe(figures))
        _verify(home, engine, target)
    drop(home.path / "readmodel.db")  # it speaks of the old store's feeds; built anew below, or at the next start
    home = home.with_settings(replace(home.settings, engine=engine, old_engine=present))
    print(f"{home.path} is on {engine.kind} now; neighbours read its feed once from the start and fetch what they lack")
    if home.node_certificate() is not None:
        _rebuild(home.path)
    print(f"the old store is kept as it was; when all is well: tram migrate {home.path} --forget-old")
    return 0


def _refuse_foreign(source: Store, target: Store) -> None:
    """Raise `Refused("not_empty")` before anything is written where somebody else keeps their documents."""
    known = set(source.names())
    for name in target.names():
        if name not in known:
            raise Refused("not_empty", f"database {name} there is not this node's: choose an empty place or a --prefix")
        if (stranger := find_unknown(target.open(name), source.open(name))) is not None:
            raise Refused("not_empty", f"{name} there holds {stranger}, which this node does not: choose another place")


def _verify(home: Home, engine: Engine, target: Store) -> None:
    """Raise `Refused("not_verified")` if what arrived does not hold. A home that has no databases yet is let pass."""
    if not target.names():
        return
    report = verify_store(home.path, engine, target, home.anchors())
    if report.problems:
        found = "; ".join(report.problems[:_SAID_PROBLEMS])
        raise Refused(
            "not_verified",
            f"the copy is equal but {len(report.problems)} problems were found in it: {found}; the node stays on its"
            f" old store, see: tram verify {home.path}",
        )
    print("verified: " + ", ".join(f"{count} {kind}" for kind, count in sorted(report.checked.items())))


def _rebuild(path: Path) -> None:
    with open_node(path) as node:
        node.directory.relearn()
        node.model.follower.catch_up()
        node.feed.catch_up()
        print(f"read model: {sum(node.model.queries.counts().values())} dossiers")


class _Teller:
    """Prints how far the move is, once a second and at the end of each database's phase."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.left and now - self._said < _SAY_EVERY_S:
            return
        self._said = now
        print(
            f"{progress.database}: {progress.phase}, {progress.done} documents, {progress.left} to go",
            file=sys.stderr,
            flush=True,
        )


def _describe(figures: Figures) -> str:
    text = (
        f"{figures.databases} databases, {figures.documents} documents with {figures.leaves} leaves found equal;"
        f" {figures.revisions} revisions and {figures.attachment_bytes} bytes of attachments written now"
    )
    return text + (f"; {figures.bodies_lost} older bodies could not be taken along" if figures.bodies_lost else "")


# Forgetting


def _forget(home: Home) -> int:
    old = home.settings.old_engine
    if old is None:
        raise Refused("bad_engine", f"{home.path} keeps no old store")
    with closing(open_engine(home, old)) as before, closing(open_engine(home, home.settings.engine)) as present:
        kept = set(present.names())
        ours = [name for name in before.names() if name in kept]
        others = [name for name in before.names() if name not in kept]
        _refuse_loss(home, before, present, ours)
        for name in ours:
            _delete(before, name)
        if isinstance(before, CouchStore) and not others:
            before.remove()  # its identity
    if old.kind == "sqlite" and not others:
        shutil.rmtree(home.path / "store")
        (home.path / "store").mkdir(mode=0o700)
    home.with_settings(replace(home.settings, old_engine=None))
    print(f"removed {len(ours)} databases of the old store")
    for name in others:
        print(f"left alone, for the present store has no such database: {name}")
    return 0


def _refuse_loss(home: Home, before: Store, present: Store, names: Sequence[str]) -> None:
    """Raise `Refused("not_moved")` if an old database holds what the present one does not know and was not erased."""
    with closing(NodeDb(home.path / "node.db")) as db:
        traces = Traces(db)
        for name in names:
            excused = partial(traces.among, name)
            if (unknown := find_unknown(before.open(name), present.open(name), excused=excused)) is not None:
                raise Refused(
                    "not_moved", f"{unknown} in the old {name} is not in the present store: nothing was removed"
                )


def _delete(store: Store, name: str) -> None:
    try:
        store.delete(name)
    except NotFound:  # an earlier call was interrupted here
        return
