"""`tram ca`: certificates of units, nodes and people."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from crypto.certificates import parse_certificate
from server.cli import authorities
from server.cli.common import Commands, add_home, open_node, print_table
from server.dossier import units
from server.dossier.times import parse_time
from server.errors import Missing, NotReady, Refused, ServerError
from server.home import Home
from server.pki.authority import CRL_LIFE, Authority
from server.pki.directory import is_issued_to
from server.pki.request import describe

if TYPE_CHECKING:  # see `server.cli.common`: what opens no node starts without it
    from server.node.assembly import Node


def register(commands: Commands) -> None:
    """Add the commands."""
    group = commands.add_parser("ca", help="certificates: request, sign, install, approve, list, revoke, roll over")
    sub = group.add_subparsers(required=True, metavar="WHAT")
    authorities.register(sub)
    parser = sub.add_parser("list", help="the node's own certificates, and those of its unit's people")
    add_home(parser)
    parser.set_defaults(run=_list)
    parser = sub.add_parser("revoke", help="revoke certificates: a lost phone, a stolen server, a unit that was closed")
    add_home(parser)
    parser.add_argument(
        "subject",
        nargs="?",
        default="",
        help="urn:tram:subject:… or urn:tram:node:…, or the code of a unit below: its CA;"
        " left out: what officials ordered on the desk and still waits for the CA key",
    )
    parser.add_argument(
        "--lost-key", action="store_true", help="somebody else may hold the key: the day before is in doubt"
    )
    parser.add_argument(
        "--since", default="", metavar="TIME", help="since when they may (2026-11-21T07:00:00Z), with --lost-key"
    )
    parser.add_argument("--reason", default="", help="what happened, for the record; of a person")
    parser.set_defaults(run=_revoke)
    parser = sub.add_parser("crl", help="issue the next revocation list now; a serving node does it every week")
    add_home(parser)
    parser.add_argument("--days", type=_life, default=CRL_LIFE, help="how long it holds, for a key in a safe")
    parser.set_defaults(run=_crl)


def _list(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    node = home.node_certificate()
    for label, certificates in (("node", [node] if node else []), ("chain", home.chain()), ("anchor", home.anchors())):
        for certificate in certificates:
            print(f"{label}: {describe(certificate)}")
    if node is None:
        return 0
    with open_node(arguments.home) as opened:
        opened.model.follower.catch_up(opened.database)
        rows = [
            (row.urn, row.unit, row.ends[:10], opened.model.queries.name_of(row.urn))
            for row in opened.model.queries.certificates(opened.database)
            if row.kind == "person"
        ]
    print_table(("subject", "unit", "until", "name"), rows)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    subject, lost, since = arguments.subject, arguments.lost_key, arguments.since
    if since and not lost:
        raise Refused("schema", "--since says since when somebody else may hold the key; give --lost-key with it")
    with open_node(arguments.home) as node:
        if not subject:
            return _carry_out(node)
        if subject.startswith(units.SUBJECT_URN):
            count = _revoke_person(node, subject, lost=lost, since=since, reason=arguments.reason)
        else:
            count = revoke_by_name(node, subject, lost=lost, since=since)
    print(f"{count} certificates of {subject} are revoked; the list travels with the next sync")
    return 0


def _carry_out(node: Node) -> int:
    node.model.follower.catch_up()
    waiting = node.revoking.waiting()
    if not waiting:
        print("nothing waits to be revoked")
        return 0
    count = node.revoking.carry_out()
    for order in waiting:
        name = node.model.queries.name_of(order.subject) or order.subject
        print(f"{name}: {order.how}, ordered {order.at} by {order.author}")
    print(f"{count} certificates are revoked; the list travels with the next sync")
    return 0


def _revoke_person(node: Node, subject: str, *, lost: bool, since: str, reason: str) -> int:
    """Put on record by the node's word that a person's keys count no more, then carry it out. Returns how many."""
    said = reason or ("the key may be in other hands" if lost else "revoked at the console of the unit")
    count = node.people.order_revocation(subject, how="lost" if lost else "ended", reason=said, since=since)
    try:
        node.revoking.carry_out()
    except ServerError as exc:
        raise NotReady(
            f"{count} keys are recorded as revoked and open nothing here any more, but no list says so yet: {exc};"
            f" bring the CA key, then: tram ca revoke {node.home.path}"
        ) from exc
    return count


def revoke_by_name(node: Node, subject: str, *, lost: bool, since: str = "") -> int:
    """Revoke what this unit's CA issued to a person, a node, or the CA of a unit below. Returns how many.

    Raises `Missing` if it issued nothing to them, `NotReady` for a person where the CA's key is not at hand.
    """
    node.model.follower.catch_up()
    if subject.startswith(units.SUBJECT_URN):
        return _revoke_person(node, subject, lost=lost, since=since, reason="")
    found: dict[str, str] = {}  # fingerprint → a database that holds it
    for name in (each for each in node.store.names() if not each.startswith("f-")):
        for row in node.model.queries.certificates(name):
            certificate = parse_certificate(node.directory.certificate(name, row.fingerprint))
            if is_issued_to(certificate, subject) and node.crls.is_ours(certificate):
                found.setdefault(row.fingerprint, name)
    if not found:
        raise Missing(f"{node.unit} issued no certificate to {subject[:80]}")
    reason = x509.ReasonFlags.key_compromise if lost else x509.ReasonFlags.unspecified
    node.crls.revoke(found, reason, invalid_since=parse_time(since) if since else None)
    node.model.follower.catch_up()
    return len(found)


def _life(text: str) -> timedelta:
    """Return a number of days as a time. Raises `argparse.ArgumentTypeError`; how many are allowed is for the list."""
    try:
        return timedelta(days=int(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!a} is no number of days; write it like 300") from None


def _crl(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        for authority in Authority.generations(node.home):
            crl = node.crls.issue(authority, life=arguments.days)
            number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            name = authority.certificate.subject.rfc4514_string()
            print(f"list {number} of {name}: {len(crl)} revoked, next one due {crl.next_update_utc:%Y-%m-%d}")
    print("it travels with the next sync")
    return 0
