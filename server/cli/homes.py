"""`tram init`: a node's home."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from server.cli.parsing import Commands, add_command, add_home
from server.dossier.times import format_time
from server.dossier.units import parse_unit_code
from server.home import Engine, Home, Settings
from server.node.links import PARENT, Links, Neighbour
from server.nodedb import NodeDb
from server.pki.authority import found_root


def add_commands(commands: Commands) -> None:
    """Add `tram init`."""
    parser = add_command(commands, "init", init, "Make a node's home: keys, settings, and for a root its certificates.")
    add_home(parser)
    parser.add_argument("--unit", required=True, metavar="CODE", help="the unit's code, such as H41.12.03")
    parser.add_argument("--name", metavar="NAME", help="what people call the unit; the code unless given")
    parser.add_argument(
        "--parent", metavar="URL", help="the node of the unit above; without it this home founds a root"
    )
    parser.add_argument(
        "--couchdb", metavar="URL", help="keep the databases on this CouchDB, http://user:pass@host:port"
    )
    parser.add_argument(
        "--couchdb-prefix", default="", metavar="TEXT", help="what this node's databases begin with there"
    )


def init(options: argparse.Namespace) -> int:
    """Make the home; without a parent found a root, with one say how to get the certificate."""
    unit = parse_unit_code(options.unit)
    now = datetime.now(UTC)
    engine = Engine("couchdb", options.couchdb, options.couchdb_prefix) if options.couchdb else Engine()
    settings = Settings(unit, options.name or unit, engine, options.parent, format_time(now))
    home = Home.create(options.home, settings)
    if options.parent is None:
        found_root(home, now)
        print(f"{options.home}: {unit} founded a root of its own")
        return 0
    db = NodeDb(options.home / "node.db")
    try:
        Links(db).put(Neighbour(PARENT, options.parent, "parent"))
    finally:
        db.close()
    print(f"{options.home}: {unit} is ready to ask the unit above for its certificate:")
    print(f"  here:       tram ca request {options.home} request.jws")
    print("  unit above: tram ca sign PARENT_DIR request.jws answer.pem")
    print(f"  here:       tram ca install {options.home} answer.pem")
    return 0
