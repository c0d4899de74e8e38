"""`tram erase`: dossiers whose retention is over, and their erasure by two voices.

What is said here is the node's word, one voice; the other is a leader's, who signs on the desk (`/desk/erasures`). Once
a node has erased, it cannot be undone; until then `stop` takes the console's proposal back, or refuses a leader's.
"""

from __future__ import annotations

import argparse

from server.api.erasures import say_confirmation, say_proposal, state_of
from server.api.erasurestops import say_stop
from server.cli.common import Commands, add_command, open_node, print_table
from server.dossier.erasing import Erasure
from server.node.assembly import Node


def register(commands: Commands) -> None:
    """Add the commands."""
    sub = commands.add_parser("erase", help="end of retention: list, propose, confirm, stop, status").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = add_command(sub, "list", _list, help="closed dossiers and until when they are kept")
    parser.add_argument("--over", action="store_true", help="only those that a rule says may be erased now")
    parser = add_command(sub, "propose", _propose, help="propose to erase a dossier; a leader's signature confirms it")
    parser.add_argument("dossier", metavar="STREAM", help="the dossier's stream, as erase list shows it")
    parser.add_argument("--basis", required=True, metavar="TEXT", help="the law and decision it is done by")
    parser.add_argument("--rule", default="", metavar="TEXT", help="the retention rule, where none is known here")
    parser.add_argument("--ended", default="", metavar="TIME", help="when retention ended, where no rule is known here")
    parser = add_command(sub, "confirm", _confirm, help="be the second voice for what a leader proposed")
    parser.add_argument("erasure", metavar="EVENT", help="sha256-…, as erase status shows it")
    parser = add_command(sub, "stop", _stop, help="withdraw what the console proposed, refuse what a leader did")
    parser.add_argument("erasure", metavar="EVENT", help="sha256-…, as erase status shows it")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why the dossier is kept; everybody reads it")
    add_command(sub, "status", _status, help="erasures proposed, and which nodes have done them")


def _list(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        today = node.clock.now().date()
        found = [kept for kept in node.erasures.closed() if kept.is_over(today) or not arguments.over]
    rows = []
    for kept in found:
        until = kept.ends.isoformat() if kept.ends else ("for ever" if kept.rule else "unknown: say by which rule")
        rows.append((kept.row.stream, kept.row.code, kept.row.procedure, kept.closed, until))
    if not rows:
        print("no closed dossier here may be erased")
        return 0
    print_table(("dossier", "code", "procedure", "closed", "kept until"), rows)
    return 0


def _propose(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        say_proposal(node, arguments.dossier, basis=arguments.basis, rule=arguments.rule, ended=arguments.ended)
    print(f"proposed: {arguments.dossier} is erased once a leader confirms it on the desk, /desk/erasures")
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        found = say_confirmation(node, arguments.erasure)
        node.erasing.settle()
        state = _state(node, node.erasures.get(found.id))
    print(f"confirmed: {found.dossier}: {state}")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        found = say_stop(node, arguments.erasure, arguments.reason)
        state = _state(node, found)
    print(f"stopped: {found.dossier}: {state}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        found = [(each, _state(node, each)) for each in node.erasures.all()]
    if not found:
        print("no erasure was proposed")
        return 0
    print_table(
        ("erasure", "unit", "dossier", "proposed", "state", "done at"),
        [
            (each.id, each.unit, each.dossier, each.proposed_at, state, ", ".join(done.node for done in each.done))
            for each, state in found
        ],
    )
    return 0


def _state(node: Node, erasure: Erasure) -> str:
    if erasure.is_stopped and erasure.stop is not None:
        return f"{state_of(erasure)} by {erasure.stop.actor}: {erasure.stop.reason}"
    if not erasure.confirmed:
        return "waits for a second person"
    if node.erasing.is_done(erasure.id):
        return "erased here; stopped too late" if erasure.stop is not None else "erased here"
    doubt = node.erasures.doubt(erasure)
    if doubt == "old_store":
        return "waits: the store this node moved from still holds it; run `tram migrate --forget-old`"
    if doubt == "not_logged":
        return f"waits: the log of {erasure.unit} has not been seen to hold both signatures; sync, or import its stick"
    return f"waits: the signatures are in doubt ({doubt})" if doubt else "to be erased here"
