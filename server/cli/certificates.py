"""`tram ca`: asking the unit above for a certificate, signing for units below, installing, listing."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from server.cli.parsing import Commands, add_command, add_group, add_home
from server.errors import Refused
from server.home import Home, read_bounded, write_atomically
from server.pki.authority import Authority
from server.pki.request import (
    MAX_REQUEST_BYTES,
    build_request,
    describe,
    install_answer,
    parse_request,
    sign_request,
)

MAX_ANSWER_BYTES = 64 * 1024  # ten certificates as PEM take 12 KB


def add_commands(commands: Commands) -> None:
    """Add `tram ca request|sign|install|list`."""
    group = add_group(commands, "ca", "Certificates of units: files that travel on a USB stick.")
    request = add_command(group, "request", request_certificate, "Write a request for the unit above to sign.")
    add_home(request)
    request.add_argument("file", metavar="FILE", type=Path, help="where the request goes")
    sign = add_command(group, "sign", sign_certificate, "Sign the request of a unit below, after comparing six digits.")
    add_home(sign)
    sign.add_argument("request", metavar="FILE", type=Path, help="the request")
    sign.add_argument("answer", metavar="OUT", type=Path, help="where the answer goes")
    sign.add_argument("--yes", action="store_true", help="the digits have been compared; do not ask")
    install = add_command(group, "install", install_certificate, "Check the answer of the unit above and use it.")
    add_home(install)
    install.add_argument("answer", metavar="FILE", type=Path, help="the answer")
    add_home(add_command(group, "list", list_certificates, "List the home's own chain, the root last."))


def request_certificate(options: argparse.Namespace) -> int:
    """Write the request and show the digits that the unit above must see too."""
    data = build_request(Home.open(options.home), datetime.now(UTC))
    write_atomically(options.file, data, mode=0o644)
    print(f"{options.file}: bring this to the unit above; the digits to compare are {parse_request(data).code}")
    return 0


def sign_certificate(options: argparse.Namespace) -> int:
    """Show who asks and the digits, and sign once a person has said that they agree."""
    authority = Authority.open(Home.open(options.home))
    request = parse_request(read_bounded(options.request, MAX_REQUEST_BYTES))
    print(f"{request.unit} ({request.name}) asks for a certificate; the digits are {request.code}")
    if not options.yes and not _agreed():
        raise Refused("not_confirmed", "nothing was signed; compare the digits by telephone and run this again")
    write_atomically(options.answer, sign_request(authority, request, datetime.now(UTC)), mode=0o644)
    print(f"{options.answer}: bring this back to {request.unit}")
    return 0


def install_certificate(options: argparse.Namespace) -> int:
    """Check the answer and use it."""
    authority = install_answer(
        Home.open(options.home), read_bounded(options.answer, MAX_ANSWER_BYTES), datetime.now(UTC)
    )
    print(f"{options.home}: {authority.unit} is certified; start it with: tram serve {options.home}")
    return 0


def list_certificates(options: argparse.Namespace) -> int:
    """Print one line of JSON for each certificate of the home's chain."""
    home = Home.open(options.home)
    node = home.node_certificate()
    for certificate in [*([node] if node else []), *home.chain()]:
        print(describe(certificate))
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Do the same six digits stand at the other side? [yes/no] ").strip().lower() in ("yes", "có", "co")
