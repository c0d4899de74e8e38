"""`python -m replication sync SOURCE TARGET [--once | --continuous]`: the bare replicator."""

from __future__ import annotations

import argparse
import json
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from replication.errors import ReplicationError
from replication.peers import Endpoint, HttpPeer, LocalPeer, Peer, split_database_url
from replication.replicator.figures import Figures
from replication.replicator.link import Link
from replication.replicator.pair import Pair
from replication.replicator.state import CheckpointState, DatabaseState, MemoryState
from replication.sqlite import SqliteStore

SQLITE = "sqlite:"
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3

OpenStore = Callable[[Path], SqliteStore]


def main(argv: list[str]) -> int:
    """Replicate SOURCE into TARGET and print one JSON line of figures.

    Returns 0 when TARGET holds everything (or a continuous run was ended by SIGINT or SIGTERM), 1 when a side
    refused the whole replication, 2 for a command line that cannot be understood, 3 when TARGET holds everything but
    documents it refused.
    """
    args = _parse_args(argv)
    with ExitStack() as stack:
        try:
            tls = ssl.create_default_context(cafile=args.ca) if args.ca is not None else None
            pair = build_pair(args.source, args.target, _opener(stack), tls)
        except (ValueError, ReplicationError, OSError) as exc:
            print(f"sync: {exc}", file=sys.stderr)
            return EXIT_USAGE
        return _run(pair, continuous=args.continuous)


def _parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m replication sync", description="Replicate SOURCE into TARGET.")
    parser.add_argument("source", help="http(s)://user:password@host:port/db or sqlite:DIR/db")
    parser.add_argument("target", help="the same; made when it is missing")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM file of the CA that https peers must prove by")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="until TARGET holds everything, over cuts (the default)")
    mode.add_argument("--continuous", action="store_true", help="until Ctrl-C, following SOURCE")
    return parser.parse_args(argv)


def _opener(stack: ExitStack) -> OpenStore:
    """Return a function that opens each folder once: both sides may live in the same one."""
    stores: dict[Path, SqliteStore] = {}

    def open_store(folder: Path) -> SqliteStore:
        folder = folder.resolve()
        if folder not in stores:
            stores[folder] = SqliteStore(folder)
            stack.callback(stores[folder].close)
        return stores[folder]

    return open_store


def build_pair(source: str, target: str, open_store: OpenStore, tls: ssl.SSLContext | None = None) -> Pair:
    """Return the pair two addresses name; `tls` is for https, None trusts whom this machine trusts.

    Raises `ValueError` for an address that cannot be understood, `NotFound` for a local source that is not there."""
    endpoints: dict[str, Endpoint] = {}
    source_peer, source_state = _build_peer(source, open_store, endpoints, tls, create=False)
    target_peer, target_state = _build_peer(target, open_store, endpoints, tls, create=True)
    return Pair(source_peer, target_peer, target_state or source_state or MemoryState())


def _build_peer(
    address: str,
    open_store: OpenStore,
    endpoints: dict[str, Endpoint],
    tls: ssl.SSLContext | None,
    *,
    create: bool,
) -> tuple[Peer, CheckpointState | None]:
    if not address.startswith(SQLITE):
        parts = split_database_url(address)
        endpoint = endpoints.setdefault(parts.server, Endpoint(parts.server, tls=tls))
        return HttpPeer(endpoint, parts.database), None
    folder, _slash, name = address.removeprefix(SQLITE).rpartition("/")
    if not folder or not name:
        raise ValueError(f"{address!r} names no database; write sqlite:DIR/db")
    if not create and not Path(folder).is_dir():
        raise ValueError(f"{address!r}: there is no folder {folder}")
    store = open_store(Path(folder))
    return LocalPeer.in_store(store, name, create=create), DatabaseState(store.open(name))


def _run(pair: Pair, *, continuous: bool) -> int:
    stop = threading.Event()
    link = Link([pair])

    def end(_signal: int, _frame: object) -> None:
        stop.set()
        link.wake()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    status = 0
    try:
        link.run(stop, continuous=continuous)
    except ReplicationError as exc:
        print(f"sync: {pair.label}: {exc}", file=sys.stderr)
        status = EXIT_FAILED
    figures = link.figures()
    _report_refusals(figures)
    print(json.dumps(build_line(figures)))
    if status == 0 and not continuous:
        status = EXIT_FAILED if stop.is_set() else EXIT_REFUSED if figures.refused else 0
    return status


def _report_refusals(figures: Figures) -> None:
    for refusal in figures.refusals:
        print(f"sync: refused {refusal.id} {refusal.rev}: {refusal.error}: {refusal.reason}", file=sys.stderr)


def build_line(figures: Figures) -> dict[str, object]:
    """Return the figures as the JSON object that is printed."""
    line = asdict(figures)
    del line["refusals"]
    return line
