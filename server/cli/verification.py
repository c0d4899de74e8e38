"""`tram verify`: is everything what it claims to be?"""

from __future__ import annotations

import argparse
from pathlib import Path

from cryptography import x509

from server.cli.parsing import Commands, add_command
from server.home import parse_certificates, read_bounded
from server.verify import verify_path

MAX_ROOTS_BYTES = 256 * 1024


def add_commands(commands: Commands) -> None:
    """Add `tram verify`."""
    parser = add_command(
        commands,
        "verify",
        verify,
        "Check every document, signature and file of a home; exit 0 only if all of it holds.",
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="a node's home")
    parser.add_argument("--root", metavar="FILE", type=Path, help="believe only the root certificates in this PEM file")


def verify(options: argparse.Namespace) -> int:
    """Print what was checked and every fault; 0 only if everything holds."""
    roots: tuple[x509.Certificate, ...] = ()
    if options.root:
        roots = tuple(parse_certificates(read_bounded(options.root, MAX_ROOTS_BYTES), str(options.root)))
    report = verify_path(options.path, roots=roots)
    print("\n".join(report.lines()))
    return 0 if report.holds else 1
