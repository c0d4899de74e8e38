"""`tram export` and `tram verify`: evidence that stands alone, and checking it."""

from __future__ import annotations

import argparse
from pathlib import Path

from server.cli.common import Commands, add_home, open_node
from server.export.folder import export_dossier
from server.home import parse_certificates, read_bounded
from server.verify import verify_path

_MAX_ROOT_BYTES = 64 * 1024


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("export", help="write one dossier as a folder any JOSE tool can check")
    add_home(parser)
    parser.add_argument("dossier", help="its stream id or its official code")
    parser.add_argument("out", type=Path)
    parser.set_defaults(run=_export)
    parser = commands.add_parser("verify", help="check a home, an export or a bundle, trusting its root alone")
    parser.add_argument("path", type=Path)
    parser.add_argument("--root", type=Path, metavar="PEM", help="trust this root instead of the one found there")
    parser.add_argument("--home", type=Path, metavar="DIR", help="open a bundle with the key of this node's home")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="open a bundle with this age key, such as the recovery"
    )
    parser.set_defaults(run=_verify)


def _export(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        written = export_dossier(node, arguments.dossier, arguments.out)
    print(f"{arguments.out}: {written.events} events, {written.files} files, {written.certificates} certificates")
    print(f"check it anywhere with: tram verify {arguments.out}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    anchors = None
    if arguments.root:
        anchors = parse_certificates(read_bounded(arguments.root, _MAX_ROOT_BYTES), str(arguments.root))
    report = verify_path(arguments.path, anchors, home=arguments.home, key=arguments.key)
    for line in report.lines():
        print(line)
    return 0 if report.holds else 1
