"""`tram serve` and `tram sync`: the node, running."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time

from replication.replicator import Progress
from server.api import create_app
from server.cli.parsing import Commands, add_command, add_home
from server.home import Home
from server.node.assembly import Node

PROGRESS_EVERY_S = 1.0


def add_commands(commands: Commands) -> None:
    """Add `tram serve` and `tram sync`."""
    parser = add_command(
        commands, "serve", serve, "Run the node: desk, phone app, API, protocol and sync in one process."
    )
    add_home(parser)
    parser.add_argument("--port", type=int, default=8801, metavar="P", help="8801 unless given")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="loopback unless given")
    parser = add_command(commands, "sync", sync, "Exchange documents with the neighbours now, showing how far it is.")
    add_home(parser)
    parser.add_argument("--once", action="store_true", help="end when both sides have everything (the default)")
    parser.add_argument("--link", metavar="NAME", help="only this link")


def serve(options: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; 0 then."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    node = Node(Home.open(options.home))
    try:
        url = node.start(create_app(node), host=options.host, port=options.port)
        print(f"{node.home.settings.name} ({node.unit}): {url}/ for phones, {url}/desk for officials", flush=True)
        stop.wait()
    finally:
        node.stop()
    return 0


def sync(options: argparse.Namespace) -> int:
    """Replicate with each neighbour in turn until both sides have everything."""
    node = Node(Home.open(options.home))
    try:
        names = [each.name for each in node.links.all() if not each.paused and options.link in (None, each.name)]
        if not names:
            print("there is nobody to exchange with; add a link: tram link add DIR URL")
            return 1
        for name in names:
            figures = node.sync.run_once(name, _Line(name))
            print(
                f"\r{name}: {figures.docs_written} documents moved, {figures.bytes_out:,} bytes out,"
                f" {figures.bytes_in:,} in, {figures.seconds:.0f} s"
            )
    finally:
        node.close()
    return 0


class _Line:
    """Shows progress on one line of a terminal, once a second; says nothing into a pipe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = 0.0

    def __call__(self, progress: list[Progress]) -> None:
        if not sys.stderr.isatty() or time.monotonic() - self._shown < PROGRESS_EVERY_S:
            return
        self._shown = time.monotonic()
        done, queued = sum(p.docs_written for p in progress), sum(p.queued_docs for p in progress)
        rate = max((p.rate_bps for p in progress), default=0)
        filled = 24 * done // max(1, done + queued)
        bar = "#" * filled + "-" * (24 - filled)
        print(f"\r{self._name} [{bar}] {done}/{done + queued} {rate / 1000:.0f} kbit/s ", end="", file=sys.stderr)
