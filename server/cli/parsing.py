"""What several commands' parsers have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Commands = Any  # argparse's sub-parser action; its class is private
Run = Callable[[argparse.Namespace], int]


def add_command(commands: Commands, name: str, run: Run, help: str) -> argparse.ArgumentParser:
    """Add the command `name`, carried out by `run`, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    return parser


def add_group(commands: Commands, name: str, help: str) -> Commands:
    """Add `name` as a word before further commands (`tram ca sign`), and return where to add those."""
    return commands.add_parser(name, help=help, description=help).add_subparsers(metavar="COMMAND", required=True)


def add_home(parser: argparse.ArgumentParser) -> None:
    """Add the argument DIR, a node's home."""
    parser.add_argument("home", metavar="DIR", type=Path, help="the node's home")
