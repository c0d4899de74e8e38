"""`tram init`: a node's home."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from server.cli.common import Commands, add_home
from server.clocks.clock import timestamp
from server.dossier import units
from server.errors import Refused
from server.home import Engine, Home, Settings
from server.home.token import make_key, parse_token_uri
from server.links.tls import is_readable_on_the_way, parse_url
from server.pki.authority import found_root
from server.pki.request import describe


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("init", help="make a node's home")
    add_home(parser)
    parser.add_argument("--unit", required=True, metavar="CODE", help="the unit's agency code, such as H41.12.03")
    parser.add_argument("--name", metavar="N", help="the unit's name as people read it")
    parser.add_argument("--parent", metavar="URL", help="the node above, such as https://10.0.0.1:8443")
    parser.add_argument(
        "--insecure-lan",
        action="store_true",
        help="allow a parent over plain http on another machine; see tram link add",
    )
    parser.add_argument("--couchdb", metavar="URL", help="keep the databases on this CouchDB, not in DIR")
    parser.add_argument("--domain", default="", help="the one official host that receipts' QR codes open")
    parser.add_argument("--prefix", default="", help="what this node's databases begin with on CouchDB")
    parser.add_argument("--ca-token", metavar="URI", help="keep the CA key in this PKCS#11 token")
    parser.add_argument("--root", action="store_true", help="found a tree of its own even if the code has units above")
    parser.add_argument("--difficult-area", action="store_true", help='the commune is a "vùng khó khăn"')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the home. A unit with none above it by its code becomes a root; any other asks for a certificate."""
    unit = units.parse_unit_code(arguments.unit)
    now = datetime.now(UTC)
    is_root = arguments.root or units.parent_of(unit) is None
    if is_root and arguments.parent:
        raise Refused("bad_home", f"{unit} would be a root, which has no parent; leave out --root or --parent")
    parent = parse_url(arguments.parent) if arguments.parent else None
    if parent and is_readable_on_the_way(parent) and not arguments.insecure_lan:
        raise Refused(
            "bad_link",
            f"{parent} is plain http to another machine: everybody on the way could read dossiers. Use https"
            " (tram serve --tls over there), or say --insecure-lan for a network you trust",
        )
    path: Path = arguments.home
    home = _unfinished(path, unit) if is_root else None
    if home is None:
        home = Home.create(path, _settings(arguments, unit, parent, now))
        if arguments.ca_token:
            _make_token_key(home, arguments.ca_token, is_root=is_root)
    if is_root:
        root = found_root(home, now)
        print(f"{path}: {unit} is the root of its own tree")
        print(describe(root.certificate))
        print(f"next: tram serve {path}")
        return 0
    print(f"{path}: {unit} waits for a CA certificate from {units.parent_of(unit)}")
    print(f"next: tram ca request {path} FILE, and take FILE to the unit above")
    return 0


def _make_token_key(home: Home, uri: str, *, is_root: bool) -> None:
    """Make the CA's key in a token. If the token refuses, the home is not left half made."""
    try:
        make_key(parse_token_uri(uri), "secp384r1" if is_root else "secp256r1")
    except Refused:
        (home.path / "node.json").unlink()
        raise
    home.write_ca_token(uri)


def _settings(arguments: argparse.Namespace, unit: str, parent: str | None, now: datetime) -> Settings:
    return Settings(
        unit=unit,
        name=arguments.name or unit,
        engine=Engine("couchdb", arguments.couchdb, arguments.prefix) if arguments.couchdb else Engine(),
        parent=parent,
        created=timestamp(now),
        difficult_area=arguments.difficult_area,
        domain=arguments.domain,
    )


def _unfinished(path: Path, unit: str) -> Home | None:
    """Return the home of a root whose `init` was cut short before it had certificates, None if there is none."""
    if not (path / "node.json").exists():
        return None
    home = Home.open(path)
    return home if home.unit == unit and not home.chain() else None
