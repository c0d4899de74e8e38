"""`python -m replication audit SOURCE TARGET`: the audit of two databases, by hand."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from replication.addresses import HELP, Addresses
from replication.audit import DIFFERING_LIMIT, PLAIN_LIMIT, AuditReport, audit
from replication.errors import ReplicationError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DIFFERENT = 3


def main(argv: list[str]) -> int:
    """Audit, and print the report as one JSON line.

    Returns 0 when both hold the same, or what TARGET lacked has been brought over; 3 when something still differs in
    the direction asked, or could not be compared; 1 when a side failed, 2 for a command line that is not understood.
    """
    args = _parse_args(argv)
    with ExitStack() as stack:
        try:
            addresses = Addresses(stack, args.ca)
            source, target = (addresses.open(address)[0] for address in (args.source, args.target))
        except (ValueError, ReplicationError, OSError) as exc:
            print(f"audit: {exc}", file=sys.stderr)
            return EXIT_USAGE
        try:
            report = audit(
                source,
                target,
                repair=not args.look,
                both_ways=args.both_ways,
                limit=args.limit,
                plain_limit=args.plain_limit,
            )
        except ReplicationError as exc:
            print(f"audit: {source.label} → {target.label}: {exc}", file=sys.stderr)
            return EXIT_FAILED
    print(json.dumps(build_line(report), ensure_ascii=False))
    return 0 if _is_well(report, args.both_ways) else EXIT_DIFFERENT


def _parse_args(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m replication audit",
        description="Compare SOURCE and TARGET whole, whatever checkpoints say, and bring over what TARGET lacks.",
    )
    parser.add_argument("source", help=HELP)
    parser.add_argument("target", help="the same")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM file of the CA that https peers must prove by")
    parser.add_argument("--look", action="store_true", help="repair nothing")
    parser.add_argument("--both-ways", action="store_true", help="bring over what SOURCE lacks as well")
    parser.add_argument(
        "--limit", type=int, default=DIFFERING_LIMIT, help="differing documents of one run (default %(default)s)"
    )
    parser.add_argument(
        "--plain-limit",
        type=int,
        default=PLAIN_LIMIT,
        help="documents a plain CouchDB may list, 130 bytes each (default %(default)s)",
    )
    return parser.parse_args(argv)


def build_line(report: AuditReport) -> dict[str, object]:
    """Return the report as the JSON object that is printed."""
    return {**asdict(report), "equal": report.is_equal}


def _is_well(report: AuditReport, both_ways: bool) -> bool:
    open_docs = {*report.missing, *(report.extra if both_ways else ())} - set(report.repaired)
    return report.method != "skipped" and report.complete and not open_docs
