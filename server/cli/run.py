"""`tram serve` and `tram sync`: the node at work."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from replication.errors import ReplicationError
from replication.replicator import Figures
from server.bundles import online
from server.cli.common import Commands, add_command, open_node
from server.cli.progress import ProgressLine, explain_line
from server.errors import Refused
from server.home import Home
from server.node.assembly import Node
from server.node.servertls import ServerTls, parse_address

DEFAULT_PORT = 8080
_MAX_PORT = 65_535


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = add_command(commands, "serve", _serve, help="run the node: desk, PWA, API, protocol, background sync")
    parser.add_argument(
        "--port", type=_parse_port, default=DEFAULT_PORT, metavar="P", help="8080 if left out; 0 takes any free port"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from the office's network")
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="PEM",
        help="speak TLS with this certificate; without TLS browsers sign on this machine alone",
    )
    parser.add_argument("--key", type=Path, metavar="PEM", help="the key of that certificate")
    parser.add_argument("--tls", action="store_true", help="speak TLS with a certificate of the unit's own CA")
    parser.add_argument(
        "--name", action="append", default=[], metavar="IP", help="with --tls: an address browsers use; several times"
    )
    parser.add_argument("--no-sync", action="store_true", help="do not replicate with neighbours")
    parser = add_command(commands, "sync", _sync, help="replicate with the neighbours now, with progress")
    parser.add_argument("--once", action="store_true", help="end when both sides have everything")
    parser.add_argument("--link", metavar="NAME", help="with --once: this neighbour alone")


def _parse_port(text: str) -> int:
    """Return a port. Raises `argparse.ArgumentTypeError` unless it is from 0 to 65535."""
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!a}: give a port from 0 to {_MAX_PORT}")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, then end cleanly with status 0."""
    from server.api import create_app  # `tram sync` answers nobody and starts without Flask

    logging.getLogger().setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if (arguments.certificate is None) != (arguments.key is None):
        raise Refused("bad_certificate", "TLS needs both --certificate and --key")
    if arguments.tls and arguments.certificate:
        raise Refused("bad_certificate", "--tls makes a certificate of its own; leave out --certificate and --key")
    if arguments.name and not arguments.tls:
        raise Refused("bad_name", "--name is for the certificate that --tls makes")
    addresses = [parse_address(name) for name in arguments.name]
    node = Node(Home.open(arguments.home))
    try:
        url = node.start(
            create_app(node),
            host=arguments.host,
            port=arguments.port,
            sync=not arguments.no_sync,
            certificate=arguments.certificate,
            key=arguments.key,
            tls=ServerTls(node.home, addresses, node.clock.now) if arguments.tls else None,
        )
        print(f"{node.unit} serves {url}", flush=True)
        ended.wait()
    finally:
        node.stop()
    return 0


def _sync(arguments: argparse.Namespace) -> int:
    if arguments.link and not arguments.once:
        raise Refused("no_link", "--link goes with --once; tram link pause keeps the others quiet")
    with open_node(arguments.home) as node:
        online.attach(node)
        names = [arguments.link] if arguments.link else [link.name for link in node.links.all() if not link.paused]
        if not names:
            raise Refused("no_link", f"this node has no neighbours; add one with: tram link add {arguments.home} …")
        return _run_once(node, names) if arguments.once else _follow(node)


def _run_once(node: Node, names: Sequence[str]) -> int:
    """Replicate with each neighbour in turn; 1 if one could not be reached, which keeps nobody from the next."""
    status = 0
    for name in names:
        line = ProgressLine(name)
        try:
            figures = node.sync.run_once(name, line)
        except ReplicationError as exc:
            status = 1
            print(f"tram: {name}: {explain_line(str(exc))}", file=sys.stderr)
        else:
            _print_figures(name, figures)
        finally:
            line.end()
    node.model.follower.catch_up()
    return status


def _follow(node: Node) -> int:
    """Replicate until Ctrl-C, and print how it stands every few seconds."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    node.sync.start()
    lines: dict[str, ProgressLine] = {}
    try:
        while not ended.wait(1):
            for status in node.sync.status():
                name = status.neighbour.name
                line = lines.setdefault(name, ProgressLine(name))
                if status.running:
                    line(status.progress)
                elif status.last_error:
                    line.say(explain_line(status.last_error))
    except KeyboardInterrupt:
        print("stopping", file=sys.stderr)
    finally:
        node.sync.stop()
    return 0


def _print_figures(name: str, figures: Figures) -> None:
    print(
        f"{name}: {figures.docs_written} documents written, {figures.refused} refused, {figures.bytes_out} bytes out,"
        f" {figures.bytes_in} bytes in, {figures.cuts} cuts, {figures.seconds} s"
    )
    for refusal in figures.refusals[:20]:
        print(f"{name}: refused {refusal.id}: {refusal.reason}")
