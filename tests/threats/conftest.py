"""The attacks of the threat model, one module a row, each against real nodes.

The fixtures are those of the node's own tests; they are named here because a folder sees its own `conftest.py` only.
"""

from __future__ import annotations

from tests.server.conftest import (
    ca_keys,
    citizen,
    commune,
    helpers,
    home_templates,
    key_pool,
    make_homes,
    make_node,
    make_station,
    office,
    serve,
)
from tests.server.log.conftest import take

__all__ = [
    "ca_keys",
    "citizen",
    "commune",
    "helpers",
    "home_templates",
    "key_pool",
    "make_homes",
    "make_node",
    "make_station",
    "office",
    "serve",
    "take",
]
