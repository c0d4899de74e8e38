"""`tram trust`: the trust policy in force, publishing another, and judging a signature of another authority by it."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import strictjson
from server.cli.common import Commands, add_command, open_node, print_table
from server.dossier.times import parse_time
from server.errors import Refused
from server.home import read_bounded
from server.node.publishing import publish
from server.pki.generations import is_root
from server.trust.foreign import MAX_CRL_BYTES
from server.trust.policy import MAX_STATEMENT_BYTES, STREAM, verify_statement

_MAX_POLICY_BYTES = 48 * 1024


def register(commands: Commands) -> None:
    """Add the commands."""
    sub = commands.add_parser("trust", help="the trust policy: show, publish, verify").add_subparsers(
        required=True, metavar="WHAT"
    )
    add_command(sub, "show", _show, help="the policy in force: algorithms, anchors, dates, legal weight")
    parser = add_command(sub, "publish", _publish, help="at the root: sign a policy from a file into the registry")
    parser.add_argument("file", type=Path, help="JSON as in docs/formats/event.md, policy.trust")
    parser = add_command(
        sub, "verify", _verify, help="judge a JWS of another authority over one of our events by the policy"
    )
    parser.add_argument("file", type=Path, help="flattened JWS with x5c")
    parser.add_argument("--crl", type=Path, action="append", default=[], help="a revocation list, DER; one per issuer")
    parser.add_argument("--at", metavar="TIME", help="the proven time of the signature; now if left out")


def _show(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        now = node.clock.now()
        policy = node.policies.at(now)
    print(f"in force since {policy.begins:%Y-%m-%d}; algorithms: {', '.join(sorted(policy.algorithms_at(now)))}")
    rows = [
        (
            each.name,
            each.kind,
            ", ".join(sorted(each.types)),
            "in force" if each.span.holds(now) else "not now",
            each.basis if each.legal else "dấu kỹ thuật / technical seal",
        )
        for each in policy.anchors
    ]
    print_table(("anchor", "kind", "for", "dates", "legal weight"), rows)
    return 0


def _publish(arguments: argparse.Namespace) -> int:
    body = strictjson.parse(read_bounded(arguments.file, _MAX_POLICY_BYTES), max_bytes=_MAX_POLICY_BYTES)
    with open_node(arguments.home) as node:
        if not is_root(node.home):
            raise Refused("not_root", f"{node.unit} gets its policy from above; publish at the root of the tree")
        count = publish(node, [(STREAM, STREAM, node.unit, body)])
    print("published; it reaches the units below with their next sync" if count else "this policy is published already")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    data = read_bounded(arguments.file, MAX_STATEMENT_BYTES)
    crls = [_der(read_bounded(each, MAX_CRL_BYTES)) for each in arguments.crl]
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        at = parse_time(arguments.at) if arguments.at else node.clock.now()
        statement = verify_statement(data, policy=node.policies.at(at), at=at, crls=crls)
    print(f"signed by: {statement.signer.subject}")
    print(f"under: {statement.signer.anchor}")
    print(f"event: {statement.event['type']} of {statement.event['stream']}")
    print(statement.weight.vi)
    print(statement.weight.en)
    return 0


def _der(data: bytes) -> bytes:
    if not data.startswith(b"-----BEGIN"):
        return data
    try:
        return x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    except ValueError as exc:
        raise Refused("bad_crl", f"not a revocation list: {exc}") from exc
