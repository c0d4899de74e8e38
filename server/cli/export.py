"""`tram export` and `tram verify`: evidence that stands alone, and checking it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from server.cli.common import Commands, add_home, open_node
from server.cli.progress import ProgressLine, duration_text
from server.export.folder import export_dossier
from server.export.logproofs import LogProofs
from server.export.proofs import ProofSource
from server.home import parse_certificates, read_bounded
from server.node.assembly import Node
from server.timestamps.evidence import TimestampProofs
from server.verify import Effort, verify_path

_MAX_ROOT_BYTES = 64 * 1024
_MAX_PROCESSES = 64


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("export", help="write one dossier as a folder any JOSE tool can check")
    add_home(parser)
    parser.add_argument("dossier", help="its stream id, its official code, or a proposal to erase one")
    parser.add_argument("out", type=Path)
    parser.set_defaults(run=_export)
    parser = commands.add_parser("verify", help="check a home, an export or a bundle, trusting its root alone")
    parser.add_argument("path", type=Path)
    parser.add_argument("--root", type=Path, metavar="PEM", help="trust this root instead of the one found there")
    parser.add_argument("--home", type=Path, metavar="DIR", help="open a bundle with the key of this node's home")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="open a bundle with this age key, such as the recovery"
    )
    parser.add_argument(
        "--processes",
        type=_parse_count,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="how many share the work in a large home (default: one for each core)",
    )
    parser.set_defaults(run=_verify)


def _export(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        node.proofs.catch_up()
        written = export_dossier(node, arguments.dossier, arguments.out, proof_sources(node))
        streams = {arguments.dossier, *(row.stream for row in node.model.queries.by_code(arguments.dossier))}
        stopped = [each for each in node.erasures.all() if each.dossier in streams and each.is_stopped]
    if written.erased:
        print(f"this dossier was erased; what is left is the evidence of that, over {written.erased} hashes")
    print(f"{arguments.out}: {written.events} events, {written.files} files, {written.certificates} certificates")
    print(f"check it anywhere with: tram verify {arguments.out}")
    for each in stopped:
        print(f"its erasure was proposed and stopped; the evidence: tram export {arguments.home} {each.id} OUT")
    return 0


def proof_sources(node: Node) -> list[ProofSource]:
    """Return whatever else this node has to prove events with."""
    return [LogProofs(node), TimestampProofs(node.store, node.stamps)]


def _verify(arguments: argparse.Namespace) -> int:
    anchors = None
    if arguments.root:
        anchors = parse_certificates(read_bounded(arguments.root, _MAX_ROOT_BYTES), str(arguments.root))
    teller = _Teller()
    effort = Effort(processes=arguments.processes, on_progress=teller)
    try:
        report = verify_path(arguments.path, anchors, home=arguments.home, key=arguments.key, effort=effort)
    finally:
        teller.end()
    for line in report.lines():
        print(line)
    return 0 if report.holds else 1


def _parse_count(text: str) -> int:
    """Return a number of processes. Raises `argparse.ArgumentTypeError` unless it is from 1 to 64."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!a}: give a number from 1 to {_MAX_PROCESSES}")
    return int(text)


class _Teller:
    """Shows on a terminal how far a verification is; elsewhere it says nothing, the report is what counts."""

    def __init__(self) -> None:
        self._line = ProgressLine("verify") if sys.stderr.isatty() else None
        self._begun: dict[str, float] = {}

    def __call__(self, database: str, done: int, total: int) -> None:
        begun = self._begun.setdefault(database, time.monotonic())
        if self._line is not None:
            rate = done / max(time.monotonic() - begun, 0.001)
            left = duration_text((total - done) / rate) if done else "?"
            self._line.say(f"{database}: {done:,} of {total:,} documents, {left} left")

    def end(self) -> None:
        if self._line is not None:
            self._line.end()
