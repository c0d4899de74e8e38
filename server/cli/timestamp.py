"""`tram timestamp`: time-stamps (RFC 3161) over the events of dossiers that have none yet."""

from __future__ import annotations

import argparse
from dataclasses import replace

from server.cli.common import Commands, add_command, open_node
from server.cli.progress import ProgressLine
from server.dossier import units
from server.errors import Refused
from server.node.assembly import Node
from server.timestamps.asking import Authority
from server.timestamps.stamping import Progress


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "timestamp", _run, help="have events stamped by a time-stamp authority (RFC 3161)")
    parser.add_argument("--tsa", metavar="URL", help="the authority; it has to be one the trust policy names")
    parser.add_argument("--unit", metavar="CODE", help="stamp what is here of this unit below instead of our own")
    parser.add_argument(
        "--remember", action="store_true", help="the serving node goes on asking this authority by itself (restart it)"
    )
    parser.add_argument("--forget", action="store_true", help="the serving node no longer asks")


def _run(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        if arguments.forget:
            node.home.with_settings(replace(node.home.settings, tsa=""))
            print("forgotten; restart the node if it serves")
            return 0
        unit = units.parse_unit_code(arguments.unit) if arguments.unit else node.unit
        if not units.is_within(unit, node.unit):
            raise Refused("wrong_database", f"{unit} is not below {node.unit}")
        database = units.database_name(unit)
        if database not in node.store.names():
            raise Refused("wrong_database", f"nothing of {unit} is here yet; sync first")
        node.model.follower.catch_up()
        url = arguments.tsa or node.home.settings.tsa
        if not url:
            return _tell_waiting(node, database)
        return _stamp(node, database, url, remember=arguments.remember)


def _tell_waiting(node: Node, database: str) -> int:
    print(f"{node.stamper.waiting(database)} events have no time-stamp; name an authority with --tsa URL")
    return 0


def _stamp(node: Node, database: str, url: str, *, remember: bool) -> int:
    authority = Authority(url, node.policies.newest(node.clock.now()).time_authorities)
    line = ProgressLine("timestamp")

    def tell(progress: Progress) -> None:
        line.say(f"{progress.stamped} stamped, {progress.left} to go")

    try:
        done = node.stamper.run(database, authority, tell=tell)
    finally:
        line.end()
        authority.close()
    if remember:
        node.home.with_settings(replace(node.home.settings, tsa=url))
    print(f"{done.stamped} events stamped, {done.left} wait")
    return 0
