"""The `tram` command: one module per group of commands, each adding its own parsers and doing its own work.

Every command returns an exit status: 0 done, 1 refused or something does not hold, 2 wrong usage (argparse). What goes
wrong is told in one line on standard error, with the stable word and what to do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from crypto.errors import CryptoError
from replication.errors import ReplicationError
from server.cli import catalogue, certificates, homes, links, people, running, verification
from server.errors import ServerError

GROUPS = (homes, running, certificates, people, links, catalogue, verification)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(prog="tram", description="Run and look after a Trạm node.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = build_parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except (ServerError, CryptoError, ReplicationError, OSError) as exc:
        print(f"tram: {exc}", file=sys.stderr)
        return 1
    return status
