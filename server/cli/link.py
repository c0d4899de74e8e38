"""`tram link`: the node's neighbours."""

from __future__ import annotations

import argparse

from server.cli.common import Commands, add_home, open_node, print_table
from server.node.links import Neighbour


def register(commands: Commands) -> None:
    """Add the commands. A running server follows within two seconds."""
    sub = commands.add_parser("link", help="neighbours: add, list, pause, resume").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = sub.add_parser("add", help="add a neighbour, or change its address")
    add_home(parser)
    parser.add_argument("name", help='a name for the link; the node above is "parent"')
    parser.add_argument("url", help="such as http://10.0.0.1:8080")
    parser.add_argument("--child", action="store_true", help="a node below this one, to be pulled from")
    parser.set_defaults(run=_add)
    parser = sub.add_parser("list", help="the links and how they stand")
    add_home(parser)
    parser.set_defaults(run=_list)
    for word, paused in (("pause", True), ("resume", False)):
        parser = sub.add_parser(word, help=f"{word} a link")
        add_home(parser)
        parser.add_argument("name")
        parser.set_defaults(run=_pause, paused=paused)


def _add(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.links.put(Neighbour(arguments.name, arguments.url, "child" if arguments.child else "parent"))
    print(f"link {arguments.name}: {arguments.url}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        rows = [
            (
                status.neighbour.name,
                status.neighbour.role,
                status.neighbour.url,
                "paused" if status.neighbour.paused else (status.last_error or "well"),
                status.last_success or "never",
            )
            for status in node.sync.status()
        ]
    print_table(("name", "role", "address", "state", "last success"), rows)
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.links.set_paused(arguments.name, arguments.paused)
    print(f"link {arguments.name} is {'paused' if arguments.paused else 'on'}")
    return 0
