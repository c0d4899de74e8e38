"""`tram load-sample`: the sample units, procedures and calendars as signed events in the registry."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from server import data
from server.cli.parsing import Commands, add_command, add_home
from server.dossier import units
from server.dossier.times import format_time
from server.errors import NotAllowed, Refused
from server.home import Home
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.node.assembly import Node

BATCH = 50


def add_commands(commands: Commands) -> None:
    """Add `tram load-sample`."""
    parser = add_command(commands, "load-sample", load_sample, "Publish the sample units, procedures and calendars.")
    add_home(parser)


def load_sample(options: argparse.Namespace) -> int:
    """Sign what is not published yet; running it again changes nothing. Raises `NotAllowed` below the root."""
    home = Home.open(options.home)
    if units.parent_of(home.unit) is not None:
        raise NotAllowed(f"the catalogue is published at the root, {home.unit} is below it")
    node = Node(home)
    try:
        count = _publish(node)
    finally:
        node.close()
    print(f"{count} events published in {REGISTRY}")
    return 0


def _publish(node: Node) -> int:
    node.model.follower.catch_up(REGISTRY)
    node.copier.ensure_credentials(REGISTRY, node.signer.fingerprint)
    now = node.clock.now()
    docs = []
    for stream, type, unit, body in _events(node, format_time(now)):
        if not node.model.queries.heads(REGISTRY, stream):
            docs.append(node.signer.sign(stream=stream, type=type, at=now, unit=unit, body=body))
    for start in range(0, len(docs), BATCH):
        for result in node.intake.admit(REGISTRY, docs[start : start + BATCH], source=Source("local", node.signer.urn)):
            if result.error is not None:
                code, _, reason = result.error.reason.partition(": ")
                raise Refused(code, f"{result.id}: {reason}")
    return len(docs)


def _events(node: Node, now: str) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Yield (stream, type, unit, body) of everything in the sample."""
    for sample in data.units():
        body = {"code": sample.code, "name": sample.name, "tier": sample.tier, "from": now}
        yield units.unit_stream(sample.code), "unit.described", sample.code, body | _parent(sample.parent)
    for procedure in data.procedure_bodies():
        yield f"procedure.{procedure['code']}", "procedure.published", node.unit, procedure
    for year in data.calendar_bodies():
        yield f"calendar.{year['year']}", "calendar.published", node.unit, year


def _parent(parent: str) -> dict[str, str]:
    return {"parent": parent} if parent else {}
