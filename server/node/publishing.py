"""Publishing into the registry: units, procedures, calendars. What is there already is not published again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server import data
from server.dossier import units
from server.dossier.times import format_time
from server.errors import Refused
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.generations import is_root
from server.readmodel.documents import read_events

Item = tuple[str, str, str, Mapping[str, Any]]  # stream, type, unit, body

_ADMITTED_AT_ONCE = 50


def publish_sample(node: Node) -> int:
    """Publish what `server.data` brings, as far as it belongs to this node's branch. Returns how many events are new.

    Raises `Refused("not_root")` on a node that has units above: its registry is written from there.
    """
    if not is_root(node.home):
        raise Refused("not_root", f"{node.unit} gets its registry from above; publish at the root of the tree")
    return publish(node, [*_units(node), *_procedures(node), *_calendars(node)])


def publish(node: Node, items: list[Item]) -> int:
    """Sign and store events for those of `items` whose body differs from the newest published. Returns their number."""
    node.copier.ensure_certificate(REGISTRY, node.signer.certificate)
    node.model.follower.catch_up(REGISTRY)
    known = _newest_bodies(node)
    docs = [
        node.signer.sign(
            stream=stream,
            type=type,
            unit=unit,
            at=node.clock.now(),
            prev=node.model.queries.heads(REGISTRY, stream),
            body=body,
        )
        for stream, type, unit, body in items
        if not _is_known(known.get(stream), body)
    ]
    for start in range(0, len(docs), _ADMITTED_AT_ONCE):
        some = docs[start : start + _ADMITTED_AT_ONCE]
        for result in node.intake.admit(REGISTRY, some, source=Source("local", node.signer.urn)):
            if result.error is not None:
                code, _, reason = result.error.reason.partition(": ")
                raise Refused(code, f"{result.id}: {reason}")
    node.model.follower.catch_up(REGISTRY)
    return len(docs)


def _units(node: Node) -> Iterator[Item]:
    now = format_time(node.clock.now())
    for unit in data.units():
        if units.is_within(unit.code, node.unit):
            body = {"code": unit.code, "name": unit.name, "tier": unit.tier, "from": now}
            if unit.parent:
                body["parent"] = unit.parent
            yield units.unit_stream(unit.code), "unit.described", unit.code, body


def _procedures(node: Node) -> Iterator[Item]:
    for body in data.procedure_bodies():
        yield f"procedure.{body['code']}", "procedure.published", node.unit, body


def _calendars(node: Node) -> Iterator[Item]:
    for body in data.calendar_bodies():
        yield f"calendar.{body['year']}", "calendar.published", node.unit, body


def _newest_bodies(node: Node) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for kind in ("procedure.published", "calendar.published", "unit.described", "policy.trust"):
        ids = node.model.queries.streams_of_type(kind).get(REGISTRY, [])
        held = read_events(node.store.open(REGISTRY), ids)
        for each in sorted(held, key=lambda e: (e.stored.event.at, e.stored.id)):
            found[each.stored.event.stream] = each.stored.event.body
    return found


def _is_known(published: Mapping[str, Any] | None, body: Mapping[str, Any]) -> bool:
    """Say whether a body says nothing new; when it was said ("from") does not count."""
    return published is not None and {**published, "from": ""} == {**body, "from": ""}
