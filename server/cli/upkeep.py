"""`tram load-sample`, `doctor`, `rebuild`: filling, examining and mending a node."""

from __future__ import annotations

import argparse

from server.cli.common import Commands, add_command, open_node
from server.home import Home
from server.lock import locked
from server.node.publishing import publish_sample
from server.readmodel.tables import drop


def register(commands: Commands) -> None:
    """Add the commands."""
    add_command(commands, "load-sample", _load_sample, help="publish the sample catalogue, calendars and units, signed")
    parser = add_command(commands, "doctor", _doctor, help="look the node over and say what needs attention")
    parser.add_argument("--accept-clock", action="store_true", help="take the system's time as it is now: you looked")
    parser.add_argument(
        "--accept-restore",
        action="store_true",
        help="let the log go on under its next name without waiting for the unit above",
    )
    add_command(commands, "rebuild", _rebuild, help="compute the read model anew from the store")


def _load_sample(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        published = publish_sample(node)
    print(f"published {published} new documents; they reach the units below with their next sync")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    """Print one line per finding; status 1 if anything needs attention."""
    from server.health.examining import examine  # it knows the whole node; see `server.cli.common.open_node`

    with open_node(arguments.home) as node:
        if arguments.accept_clock:
            node.clock.accept_system()
        if arguments.accept_restore:
            generation = node.recovery.accept(node.clock.now())
            print(f"the log goes on as {node.log.origin(generation)}; the unit above learns of it with the next sync")
        node.model.follower.catch_up()
        print(f"{node.unit} ({node.home.settings.name}), {node.home.settings.engine.kind}")
        print(f"databases: {', '.join(node.store.names())}")
        print(f"dossiers: {sum(node.model.queries.counts().values())}")
        findings = examine(node)
    for finding in findings:
        print(f"! {finding.line()}")
    if not findings:
        print("nothing needs attention")
    return 1 if findings else 0


def _rebuild(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    with locked(home.path):
        drop(home.path / "readmodel.db")
        with open_node(arguments.home) as node:
            found = node.directory.relearn()
            node.model.follower.catch_up()
            node.feed.catch_up()
            print(f"{sum(node.model.queries.counts().values())} dossiers, {found} authorities")
    return 0
