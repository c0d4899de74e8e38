"""Any history on three stores ends in three equal stores. Hypothesis prints the steps of one that does not."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.replication.model.forgetful import ForgetfulStores
from tests.replication.model.machine import ThreeStores

SETTINGS = settings(
    max_examples=30,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestThreeStores = ThreeStores.TestCase
TestThreeStores.settings = SETTINGS
TestForgetfulStores = ForgetfulStores.TestCase
TestForgetfulStores.settings = SETTINGS
