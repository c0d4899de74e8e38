"""`GET /metrics`: who may read it, and the timing of every request. What it says: `server.metrics`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from server.api.speaker import Speakers
from server.errors import NotAllowed
from server.health.examining import examine
from server.metrics.collecting import ErrandCollector, HealthCollector, LinkCollector, NodeCollector
from server.metrics.counting import build_latencies
from server.node.assembly import Node

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
FORWARDED = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "via"})


def register_metrics(app: Flask, node: Node, speakers: Speakers) -> None:
    """Add `GET /metrics` and time every request of `app`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(node.intake_counts)
    registry.register(LinkCollector(node.sync))
    registry.register(NodeCollector(node.unit, node.home.path, node.store, node.model.queries, node.db))
    registry.register(HealthCollector(lambda: examine(node)))
    registry.register(ErrandCollector(node.errands))
    latencies = build_latencies(registry)

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        begun = g.pop("begun", None)
        if begun is not None:
            method = request.method if request.method in METHODS else "other"
            part = (request.blueprint or request.endpoint or "none").partition(".")[0]
            latencies.labels(method, part, f"{response.status_code // 100}xx").observe(time.perf_counter() - begun)
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        if not is_from_here(request.remote_addr, request.headers.keys()):
            speaker = speakers.current()
            if "admin" not in speaker.roles:
                raise NotAllowed("the figures of a node are for this machine and for administrators of the unit")
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def is_from_here(address: str | None, header_names: Iterable[str]) -> bool:
    """Say whether a request comes from this machine itself, and not through a proxy that runs on it."""
    if not FORWARDED.isdisjoint(name.lower() for name in header_names):
        return False
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)  # so an IPv4 peer is named where `--host ::` listens for both
    return (mapped or ip).is_loopback
