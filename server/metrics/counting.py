"""What is counted as it happens. Counters begin at zero with the process, as Prometheus expects."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from replication.store import WriteResult
from server.errors import REFUSALS

# From a page of the desk on a fast machine (5 ms) to a batch of file chunks over 32 kbit/s (a minute).
BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class IntakeCounts(Collector):
    """Documents judged at the door, by outcome: "accepted", or the word they were refused with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, results: Sequence[WriteResult]) -> None:
        """Count the outcomes of one batch."""
        with self._lock:
            self._counts.update(_outcome(result) for result in results)

    def collect(self) -> Iterator[Metric]:
        """Yield `tram_intake_documents_total`."""
        family = CounterMetricFamily(
            "tram_intake_documents", "Documents judged at the door since the start, by outcome.", labels=["outcome"]
        )
        with self._lock:
            for outcome, count in sorted(self._counts.items()):
                family.add_metric([outcome], count)
        yield family


def build_latencies(registry: CollectorRegistry) -> Histogram:
    """Return the histogram of request times by method, blueprint and class of status."""
    return Histogram(
        "tram_http_request_seconds",
        "Time from the first byte of a request to its answer's headers.",
        ["method", "part", "status"],
        buckets=BUCKETS_S,
        registry=registry,
    )


def _outcome(result: WriteResult) -> str:
    if result.error is None:
        return "accepted"
    word = result.error.reason.partition(":")[0].strip()
    # A label takes words of our own table alone: what peers send must not grow the number of series.
    return word if word in REFUSALS else result.error.error if result.error.error in REFUSALS else "other"
