"""Any history on three stores ends in three equal stores. Hypothesis prints the steps of one that does not."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.replication.model.machine import ThreeStores

TestThreeStores = ThreeStores.TestCase
TestThreeStores.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
