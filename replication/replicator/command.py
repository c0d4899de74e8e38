"""`python -m replication sync SOURCE TARGET [--once | --continuous]`: the bare replicator."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from replication.addresses import HELP, Addresses
from replication.errors import ReplicationError
from replication.replicator.figures import Figures
from replication.replicator.link import Link
from replication.replicator.pair import Pair
from replication.replicator.state import DatabaseState, MemoryState

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3


def main(argv: list[str]) -> int:
    """Replicate SOURCE into TARGET and print one JSON line of figures.

    Returns 0 when TARGET holds everything (or a continuous run was ended by SIGINT or SIGTERM), 1 when a side
    refused the whole replication, 2 for a command line that cannot be understood, 3 when TARGET holds everything but
    documents it refused.
    """
    args = _parse_args(argv)
    with ExitStack() as stack:
        try:
            pair = build_pair(args.source, args.target, Addresses(stack, args.ca))
        except (ValueError, ReplicationError, OSError) as exc:
            print(f"sync: {exc}", file=sys.stderr)
            return EXIT_USAGE
        return _run(pair, continuous=args.continuous)


def _parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m replication sync", description="Replicate SOURCE into TARGET.")
    parser.add_argument("source", help=HELP)
    parser.add_argument("target", help="the same; made when it is missing")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM file of the CA that https peers must prove by")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="until TARGET holds everything, over cuts (the default)")
    mode.add_argument("--continuous", action="store_true", help="until Ctrl-C, following SOURCE")
    return parser.parse_args(argv)


def build_pair(source: str, target: str, addresses: Addresses) -> Pair:
    """Return the pair two addresses name, TARGET made where it is missing. Raises as `Addresses.open`."""
    source_peer, near = addresses.open(source)
    target_peer, far = addresses.open(target, create=True)
    notes = near if far is None else far
    return Pair(source_peer, target_peer, MemoryState() if notes is None else DatabaseState(notes))


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
