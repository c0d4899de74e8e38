"""`tram link`: a node's neighbours."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from server.cli.parsing import Commands, add_command, add_group, add_home
from server.home import Home
from server.node.links import Links, Neighbour
from server.nodedb import NodeDb


def add_commands(commands: Commands) -> None:
    """Add `tram link add|list|pause|resume`."""
    group = add_group(commands, "link", "The nodes this one exchanges documents with.")
    add = add_command(group, "add", add_link, "Add a link, or change the one of that name.")
    add_home(add)
    add.add_argument("url", metavar="URL", help="the neighbour's address")
    add.add_argument("--name", metavar="NAME", help="what to call the link; made of the address unless given")
    add.add_argument("--role", choices=("parent", "child"), default="parent", help="what the neighbour is to this node")
    add_home(add_command(group, "list", list_links, "List the links."))
    for name, run, help in (
        ("pause", pause_link, "Stop using a link until it is resumed."),
        ("resume", resume_link, "Use a paused link again."),
    ):
        parser = add_command(group, name, run, help)
        add_home(parser)
        parser.add_argument("name", metavar="NAME")


def add_link(options: argparse.Namespace) -> int:
    """Add or replace a link."""
    name = options.name or (urlsplit(options.url).hostname or "link")
    with _links(options.home) as links:
        links.put(Neighbour(name, options.url, options.role))
    print(f"{name}: {options.role} at {options.url}")
    return 0


def list_links(options: argparse.Namespace) -> int:
    """Print one line for each link."""
    with _links(options.home) as links:
        for link in links.all():
            print(f"{link.name}\t{link.role}\t{link.url}{'	paused' if link.paused else ''}")
    return 0


def pause_link(options: argparse.Namespace) -> int:
    """Pause a link; a running node notices within seconds."""
    return _set_paused(options, True)


def resume_link(options: argparse.Namespace) -> int:
    """Resume a link."""
    return _set_paused(options, False)


def _set_paused(options: argparse.Namespace, paused: bool) -> int:
    with _links(options.home) as links:
        links.set_paused(options.name, paused)
    print(f"{options.name}: {'paused' if paused else 'in use'}")
    return 0


@contextmanager
def _links(path: Path) -> Iterator[Links]:
    Home.open(path)
    db = NodeDb(path / "node.db")
    try:
        yield Links(db)
    finally:
        db.close()
