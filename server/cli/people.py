"""`tram user` and `tram role`: who works at a unit, with which rights. Works beside a running node."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.cli.parsing import Commands, add_command, add_group, add_home
from server.dossier.times import format_time
from server.home import Home
from server.node.assembly import Node

ROLES = ("official", "leader", "helper", "admin")


def add_commands(commands: Commands) -> None:
    """Add `tram user add|list` and `tram role grant|revoke`."""
    users = add_group(commands, "user", "People who work at the unit.")
    add = add_command(users, "add", add_user, "Give somebody a role and an activation code for their first visit.")
    add_home(add)
    add.add_argument("--name", required=True, help="full name, as colleagues and citizens will read it")
    add.add_argument("--role", choices=ROLES, default="official")
    add.add_argument("--quiet", action="store_true", help="print the code and nothing else")
    add_home(add_command(users, "list", list_users, "List who has which role."))
    roles = add_group(commands, "role", "Rights at the unit: signed events, from now on.")
    for name, run, help in (("grant", grant, "Give a role."), ("revoke", revoke, "Take a role away.")):
        parser = add_command(roles, name, run, help)
        add_home(parser)
        parser.add_argument("subject", metavar="URN", help="urn:tram:subject:…, as `tram user list` shows it")
        parser.add_argument("role", choices=ROLES)
        if name == "grant":
            parser.add_argument("--until", metavar="TIME", help="RFC 3339 in UTC; without it, until revoked")
        else:
            parser.add_argument("--reason", required=True)


def add_user(options: argparse.Namespace) -> int:
    """Grant the role and print the activation code."""
    with _node(options.home) as node:
        kind = "helper" if options.role == "helper" else "official"
        subject, code = node.people.invite(options.name, kind)
        node.people.grant(subject, options.name, options.role)
    if options.quiet:
        print(code)
        return 0
    print(f"{options.name} ({subject}) is {options.role} at {node.unit} from now on.")
    print(f"activation code, good once within a week: {code}")
    return 0


def list_users(options: argparse.Namespace) -> int:
    """Print one line for each role somebody holds now."""
    with _node(options.home) as node:
        for held in node.model.grants(node.database).people(node.unit, format_time(node.clock.now())):
            print(f"{held.subject}\t{held.role}\t{held.name}")
    return 0


def grant(options: argparse.Namespace) -> int:
    """Give a role, under the name the person is known by."""
    with _node(options.home) as node:
        name = node.model.queries.name_of(options.subject) or options.subject
        node.people.grant(options.subject, name, options.role, until=options.until)
    print(f"{options.subject} is {options.role} from now on")
    return 0


def revoke(options: argparse.Namespace) -> int:
    """Take a role away."""
    with _node(options.home) as node:
        node.people.revoke(options.subject, options.role, options.reason)
    print(f"{options.subject} is no longer {options.role}")
    return 0


@contextmanager
def _node(path: Path) -> Iterator[Node]:
    node = Node(Home.open(path))
    try:
        node.model.follower.catch_up(node.database)
        yield node
    finally:
        node.close()
