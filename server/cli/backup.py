"""`tram backup`, `tram restore`: a home into one folder, also while the node serves, and back."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from pathlib import Path

from server.backup import Key, Seal, make_backup, restore
from server.backup.making import Report, Step
from server.backup.manifest import read_header
from server.cli.common import Commands, add_command
from server.errors import Refused
from server.home import Engine, Home, read_bounded

PASSPHRASE_VARIABLE = "TRAM_BACKUP_PASSPHRASE"  # noqa: S105 - the name of a variable, not a secret
_MAX_IDENTITY_BYTES = 64 * 1024
_SAY_EVERY_S = 1.0


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = add_command(
        commands, "backup", _backup, help="copy everything the node is to a new folder, also while it serves"
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to make; it must not exist")
    parser.add_argument(
        "--to", action="append", default=[], metavar="age1…", help="seal it to this age recipient (may be repeated)"
    )
    parser.add_argument(
        "--passphrase", action="store_true", help=f"seal it with a passphrase, from {PASSPHRASE_VARIABLE} or typed"
    )
    parser = commands.add_parser("restore", help="make a home out of a backup, after checking all of it")
    parser.add_argument("backup", metavar="OUT", type=Path, help="the folder that backup made")
    parser.add_argument("home", metavar="DIR", type=Path, help="the home to make; it must not exist, or be empty")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="the age identity the backup was sealed to")
    parser.add_argument("--sqlite", action="store_true", help="put the databases into the home, wherever they were")
    parser.add_argument("--couchdb", metavar="URL", help="put the databases on this CouchDB")
    parser.add_argument("--prefix", default="", help="what the names of this node's databases begin with there")
    parser.set_defaults(run=_restore)


def _backup(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    passphrase = _ask_new_passphrase() if arguments.passphrase else ""
    made = make_backup(home, arguments.out, Seal(tuple(arguments.to), passphrase), _teller())
    documents = sum(made.manifest.documents.values())
    sealed = {"open": "NOT sealed: it holds this node's keys, keep it as safe as the node", "age": "sealed with age"}
    print(
        f"{arguments.out}: {len(made.manifest.files)} files, {len(made.manifest.documents)} databases with {documents}"
        f" documents, {made.header.archive_bytes} bytes; read back and found as written"
    )
    print(sealed.get(made.header.sealed, "sealed with the passphrase; nobody can open it without"))
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    identities = b"" if arguments.identity is None else read_bounded(arguments.identity, _MAX_IDENTITY_BYTES)
    sealed = read_header(arguments.backup).sealed
    key = Key(identities.decode("utf-8", "replace"), _ask_passphrase() if sealed == "passphrase" else "")
    made = restore(arguments.backup, arguments.home, key, _teller(), engine=_parse_engine(arguments))
    print(f"{arguments.home}: {made.manifest.unit} as it was at {made.manifest.made_at}, checked file by file")
    print("what happened since comes back from its neighbours with the next sync, as far as it had reached them")
    print(f"next: tram doctor {arguments.home}, then: tram serve {arguments.home}")
    return 0


def _parse_engine(arguments: argparse.Namespace) -> Engine | None:
    if arguments.sqlite and (arguments.couchdb or arguments.prefix):
        raise Refused("bad_engine", "say --sqlite, or --couchdb URL [--prefix P], or neither")
    if arguments.sqlite:
        return Engine()
    if arguments.couchdb:
        return Engine("couchdb", arguments.couchdb, arguments.prefix)
    if arguments.prefix:
        raise Refused("bad_engine", "--prefix goes with --couchdb URL")
    return None


def _ask_passphrase() -> str:
    return os.environ.get(PASSPHRASE_VARIABLE) or _type("passphrase of the backup: ")


def _ask_new_passphrase() -> str:
    if found := os.environ.get(PASSPHRASE_VARIABLE):
        return found
    typed = _type("new passphrase: ")
    if not typed or typed != _type("again: "):
        raise Refused("bad_seal", "the two are not the same, or empty; nothing was written")
    return typed


def _type(prompt: str) -> str:
    if not sys.stdin.isatty():  # a timer's run; getpass would warn, echo and fail
        raise Refused("bad_seal", f"nobody is here to type a passphrase; put it into {PASSPHRASE_VARIABLE}")
    return getpass.getpass(prompt)


def _teller() -> Report:
    """Return what prints how far it is, once a second."""
    said = time.monotonic()

    def tell(step: Step) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _SAY_EVERY_S:
            return
        said = now
        share = f", {min(100 * step.done_bytes // step.all_bytes, 100)} %" if step.all_bytes else ""
        print(f"{step.what}{share}", file=sys.stderr, flush=True)

    return tell
