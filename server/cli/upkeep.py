"""`tram load-sample`, `doctor`, `rebuild`: filling, examining and mending a node."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator

from server.cli.common import Commands, add_command, open_node
from server.home import Home
from server.node.assembly import Node
from server.node.lock import locked
from server.node.publishing import publish_sample
from server.pki.authority import RENEW_NODE_BEFORE
from server.readmodel.tables import drop

_LOW_DISK_BYTES = 1024 * 1024 * 1024


def register(commands: Commands) -> None:
    """Add the commands."""
    add_command(commands, "load-sample", _load_sample, help="publish the sample catalogue, calendars and units, signed")
    parser = add_command(commands, "doctor", _doctor, help="look the node over and say what needs attention")
    parser.add_argument("--accept-clock", action="store_true", help="take the system's time though it is earlier")
    add_command(commands, "rebuild", _rebuild, help="compute the read model anew from the store")


def _load_sample(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        published = publish_sample(node)
    print(f"published {published} new documents; they reach the units below with their next sync")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    """Print one line per finding; status 1 if anything needs attention."""
    with open_node(arguments.home) as node:
        if arguments.accept_clock:
            node.clock.accept_system()
        node.model.follower.catch_up()
        print(f"{node.unit} ({node.home.settings.name}), {node.home.settings.engine.kind}")
        print(f"databases: {', '.join(node.store.names())}")
        print(f"dossiers: {sum(node.model.queries.counts().values())}")
        complaints = list(_complaints(node))
    for complaint in complaints:
        print(f"! {complaint}")
    if not complaints:
        print("nothing needs attention")
    return 1 if complaints else 0


def _complaints(node: Node) -> Iterator[str]:
    """Yield what needs a person's attention, and what that person should do."""
    if node.clock.is_behind():
        yield (
            "the system's clock stands before a time this node has vouched for, so it signs no receipts: set the clock;"
            " if that earlier time was wrong, stop the node and: tram doctor DIR --accept-clock"
        )
    trust = node.trust.freshness(node.database, node.clock.now())
    if trust.reason is not None:
        yield f"{trust.reason.en} Until then results can be neither issued nor returned"
    elif trust.soon:
        yield (
            f"a revocation list lapses on {trust.due:%Y-%m-%d}: sync with the unit above; if the list is {node.unit}'s,"
            " start the node with the CA key unlocked, or: tram ca crl DIR"
        )
    for each in node.issuance.unrecorded()[:20]:
        yield (
            f"{each.issuer} issued a certificate to {each.holder} that is on no record: ask that office; if it did not"
            " mean to, revoke it there: tram ca revoke"
        )
    left = node.signer.certificate.not_valid_after_utc - node.clock.now()
    if left < RENEW_NODE_BEFORE:
        yield f"the node's certificate ends in {left.days} days; start the node with the CA key unlocked"
    if shutil.disk_usage(node.home.path).free < _LOW_DISK_BYTES:
        yield "less than 1 GiB is free on this disk"
    yield from _log_complaints(node)
    for held in node.quarantine.all(limit=1):
        yield f"{node.quarantine.count()} documents are in quarantine; the newest: {held.code}: {held.reason}"
    for status in node.sync.status():
        if status.last_error and not status.neighbour.paused:
            yield f"link {status.neighbour.name}: {status.last_error} (since {status.since})"
    if not node.model.catalogue().bodies:
        yield "no procedure is published; sync with the unit above, or, at the root: tram load-sample"


def _log_complaints(node: Node) -> Iterator[str]:
    """Yield what is wrong with this node's log, or with the logs of others."""
    if node.log.key.certificate is None:
        yield "the key of this node's log has no certificate: start the node once with the CA key unlocked"
    for unit, why in node.gossip.stopped():
        yield f"{unit} cosigns this node's log no more: {why}; call them, and keep this disk as it is"
    for unit, origin, reason in node.alarms.all():
        yield f"ALARM by {unit}: {origin}: {reason}"


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
