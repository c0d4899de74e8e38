"""docs/architecture.md names what the node answers to and what it keeps, as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

from server.api import create_app
from server.dossier.body import BODIES

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_route_of_the_api_is_in_the_document(make_homes, make_node):
    """By its path, with any name for what varies."""
    app = create_app(make_node(make_homes()["H41.12.03"]))
    told = {re.sub(r"<[^>]*>", "<>", each) for each in re.findall(r"/api/(?:<[^>]*>|[\w/-])+", TEXT)}
    told |= {"/api/receipts/<>/qr", "/api/receipts/<>/proof"}  # named there as endings of /api/receipts/<event>
    assert "…/qr" in TEXT
    assert "…/proof" in TEXT
    rules = {re.sub(r"<[^>]*>", "<>", str(rule)) for rule in app.url_map.iter_rules() if str(rule).startswith("/api/")}
    assert sorted(rules - told) == []


def test_every_type_of_event_is_in_the_document():
    """And none that the door would refuse."""
    listed = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", TEXT, re.MULTILINE))
    assert listed == set(BODIES)
