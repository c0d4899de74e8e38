"""`tram user` and `tram role`: people and what they may do.

What is said here is the node's word: one voice. A role that decides something needs a second, of a leader or admin on
the desk (`role pending` lists what waits); a unit without either is being founded, and this voice is enough.
"""

from __future__ import annotations

import argparse

from server.cli.common import Commands, add_command, open_node, print_table
from server.dossier.roles import ROLES
from server.dossier.times import format_time
from server.enrolment import KINDS


def register(commands: Commands) -> None:
    """Add the commands."""
    users = commands.add_parser("user", help="people: add, list").add_subparsers(required=True, metavar="WHAT")
    parser = add_command(users, "add", _add, help="invite somebody: prints an activation code for their device")
    parser.add_argument("--name", required=True, help="as in their identity card")
    parser.add_argument("--kind", choices=KINDS, default="official", help="official unless said otherwise")
    parser.add_argument("--role", choices=ROLES, action="append", default=[], help="give this role at once")
    parser.add_argument("--subject", default="", metavar="URN", help="somebody known who has lost their key")
    add_command(users, "list", _users, help="everybody known by name")
    roles = commands.add_parser("role", help="roles: grant, confirm, revoke, list").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = add_command(roles, "grant", _grant, help="give a role at this unit and everything below it")
    parser.add_argument("subject", help="urn:tram:subject:…")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--name", help="the person's name; known ones need none")
    parser.add_argument("--until", metavar="TIME", help="2026-12-31T17:00:00Z; without end if left out")
    parser.add_argument("--from", dest="begins", default="", metavar="TIME", help="now if left out")
    add_command(roles, "pending", _pending, help="roles that wait for a second person")
    parser = add_command(
        roles, "confirm", _confirm, help="be the second voice for what a leader or admin proposed on the desk"
    )
    parser.add_argument("grant", help="sha256-…, as role pending shows it")
    parser = add_command(roles, "revoke", _revoke, help="take a role away")
    parser.add_argument("subject")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--reason", required=True)
    add_command(roles, "list", _roles, help="the roles that hold now")


def _add(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        subject, code = node.people.invite(arguments.name, arguments.kind, arguments.subject)
        waiting = [role for role in arguments.role if not node.people.grant(subject, arguments.name, role)]
    print(f"subject: {subject}")
    for role in waiting:
        print(_needs_second(arguments.name, role))
    print(f"activation: {code}")
    print("next: open the node's address on the person's device and enter the code; it works once, for seven days")
    return 0


def _users(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up(node.database)
        grants = node.model.grants(node.database)
        now = format_time(node.clock.now())
        rows = [(urn, name, ", ".join(grants.roles(urn, node.unit, now))) for urn, name in node.model.queries.people()]
    print_table(("subject", "name", "roles"), rows)
    return 0


def _grant(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up(node.database)
        name = arguments.name or node.model.queries.name_of(arguments.subject) or arguments.subject
        held = node.people.grant(
            arguments.subject, name, arguments.role, until=arguments.until, begins=arguments.begins
        )
    since = arguments.begins or "now on"
    print(f"{name} is {arguments.role} from {since}" if held else _needs_second(name, arguments.role))
    return 0


def _needs_second(name: str, role: str) -> str:
    return f"pending: {name} becomes {role} once a leader or admin confirms it on the desk (Phân quyền)"


def _pending(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        found = node.people.pending()
        rows = [(g.event, g.name, g.role, node.model.queries.name_of(g.proposer) or g.proposer, g.at) for g in found]
    print_table(("grant", "name", "role", "proposed by", "at"), rows)
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        found = node.people.confirm(arguments.grant)
    print(f"{found.name} is {found.role} from now on")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.people.revoke(arguments.subject, arguments.role, arguments.reason)
    print(f"{arguments.subject} is no longer {arguments.role}")
    return 0


def _roles(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up(node.database)
        people = node.model.grants(node.database).people(node.unit, format_time(node.clock.now()))
    print_table(
        ("subject", "name", "role", "from"), [(grant.subject, grant.name, grant.role, grant.begins) for grant in people]
    )
    return 0
