"""`tram`: the commands of a node. One module per group; docs/architecture.md and `tram --help` say what they are for.

A command prints what it did and what to do next, in plain lines. What it refuses goes to standard error as one line,
with exit status 1; wrong usage is 2, as argparse has it.

Only the module of the command that was asked for is imported, and opening a node is what brings the rest (see
`common.open_node`): most commands are run by hand or by a script, many in a row, and want to be back at once.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from crypto.errors import CryptoError
from replication.errors import ReplicationError
from server.errors import ServerError

# Every command: the module here that registers it, and the line of `tram --help`, the same as that module's own.
COMMANDS = {
    "init": ("home", "make a node's home"),
    "serve": ("run", "run the node: desk, PWA, API, protocol, background sync"),
    "sync": ("run", "replicate with the neighbours now, with progress"),
    "ca": ("ca", "certificates: request, sign, install, approve, list, revoke, roll over"),
    "user": ("people", "people: add, list"),
    "role": ("people", "roles: grant, confirm, revoke, list"),
    "link": ("link", "neighbours: add, list, show, set, pause, resume, remove"),
    "bundle": ("bundle", "dossiers by USB stick: export, import, list"),
    "export": ("export", "write one dossier as a folder any JOSE tool can check"),
    "verify": ("export", "check a home, an export or a bundle, trusting its root alone"),
    "load-sample": ("upkeep", "publish the sample catalogue, calendars and units, signed"),
    "doctor": ("upkeep", "look the node over and say what needs attention"),
    "rebuild": ("upkeep", "compute the read model anew from the store"),
    "migrate": ("migrate", "move a stopped node's databases to the other engine"),
    "backup": ("backup", "copy everything the node is to a new folder, also while it serves"),
    "restore": ("backup", "make a home out of a backup, after checking all of it"),
    "trust": ("trust", "the trust policy: show, publish, verify"),
    "timestamp": ("timestamp", "have events stamped by a time-stamp authority (RFC 3161)"),
    "erase": ("erase", "end of retention: list, propose, confirm, stop, status"),
}


def build_parser(asked: str | None) -> argparse.ArgumentParser:
    """Return the parser of all commands; that of `asked` sets `run`, the others are known by their line alone."""
    parser = argparse.ArgumentParser(prog="tram", description="Trạm: an offline-first node for one-stop offices.")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what happens inside")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    group = COMMANDS[asked][0] if asked in COMMANDS else None
    registered = False
    for name, (module, line) in COMMANDS.items():
        if module != group:
            commands.add_parser(name, help=line)
        elif not registered:  # a module registers all its commands at once, here where the first of them stands
            importlib.import_module(f"server.cli.{module}").register(commands)
            registered = True
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    asked = next((word for word in words if not word.startswith("-")), None)
    arguments = build_parser(asked).parse_args(words)
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
