"""`tram`: the commands of a node. One module per group; docs/architecture.md and `tram --help` say what they are for.

A command prints what it did and what to do next, in plain lines. What it refuses goes to standard error as one line,
with exit status 1; wrong usage is 2, as argparse has it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from crypto.errors import CryptoError
from replication.errors import ReplicationError
from server.cli import backup, bundle, ca, erase, export, home, link, migrate, people, run, timestamp, trust, upkeep
from server.errors import ServerError

GROUPS = (home, run, ca, people, link, bundle, export, upkeep, migrate, backup, trust, timestamp, erase)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`, a function of the parsed arguments."""
    parser = argparse.ArgumentParser(prog="tram", description="Trạm: an offline-first node for one-stop offices.")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what happens inside")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.register(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = build_parser().parse_args(argv)
    level = logging.DEBUG if arguments.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        status: int = arguments.run(arguments)
    except (ServerError, ReplicationError, CryptoError) as exc:
        print(f"tram: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:  # a port that is taken, a directory that is not ours, a disk that is full
        print(f"tram: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status
