"""What the commands share: opening a home and a node, and printing tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.home import Home

if TYPE_CHECKING:  # the whole node takes most of a second to import; see `open_node`
    from server.node.assembly import Node

Commands = Any  # argparse._SubParsersAction[argparse.ArgumentParser], which has no public name


def add_home(parser: argparse.ArgumentParser) -> None:
    """Add the argument that nearly every command begins with."""
    parser.add_argument("home", metavar="DIR", type=Path, help="the node's home")


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], help: str
) -> argparse.ArgumentParser:
    """Add a command on a home and return its parser. `run` takes what was parsed and returns the exit status."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help)
    add_home(parser)
    parser.set_defaults(run=run)
    return parser


@contextmanager
def open_node(path: Path) -> Iterator[Node]:
    """Open the node in `path` for the block, without starting it; beside a running server that is fine."""
    from server.node.assembly import Node  # commands that open none (init, ca request, --help) start without it

    node = Node(Home.open(path))
    try:
        yield node
    finally:
        node.close()


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headers, columns as wide as they need."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(headers), *texts]) for i in range(len(headers))]
    for line in [list(headers), *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
