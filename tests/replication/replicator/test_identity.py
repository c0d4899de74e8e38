"""Replication ids are stored in `_local` documents: these must never change."""

from __future__ import annotations

import pytest

from replication.replicator.identity import Direction, build_replication_id

HERE, THERE = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


@pytest.mark.parametrize(
    ("source", "source_name", "target", "target_name", "direction", "golden"),
    [
        (HERE, "u-h41-12-03", THERE, "u-h41-12-03", "push", "fac539c3a2b4d8494723b101fed619a1"),
        (HERE, "u-h41-12-03", THERE, "u-h41-12-03", "pull", "941bc6055957555374f15a909a6147a2"),
        (THERE, "registry", HERE, "registry", "pull", "b5eafb52630eeaab2f995b89e367b2f3"),
        (HERE, "hồ-sơ", THERE, "a/b", "push", "2ea8408eb59090defbabcab63cfbe0a6"),
    ],
)
def test_replication_ids_are_pinned(
    source: str, source_name: str, target: str, target_name: str, direction: Direction, golden: str
) -> None:
    """Changing the hashed form would send every pair of nodes back to seq 0."""
    assert build_replication_id(source, source_name, target, target_name, direction) == golden
