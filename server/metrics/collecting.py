"""What is read when somebody asks: links, store, dossiers, quarantine, memory."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from stat import S_ISREG

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from replication.store import Store
from server.dossier.states import STATUSES
from server.errands import Errand
from server.health.finding import Finding
from server.links.status import LinkStatus
from server.links.sync import Sync
from server.links.troubles import explain_trouble
from server.nodedb import NodeDb
from server.readmodel.queries import Queries

STATES = ("idle", "working", "held", "aside", "down", "paused")


class LinkCollector(Collector):
    """How each link stands. Bytes are those on the sockets since local midnight."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync

    def collect(self) -> Iterator[Metric]:
        links = self._sync.status()
        yield self._states(links)
        yield self._by_kind(
            "tram_link_bytes_today", "Bytes on the link's sockets since local midnight, both ways.", links, "used_today"
        )
        yield self._by_kind("tram_link_queued_documents", "Documents not yet over there.", links, "queued_docs")
        yield self._by_kind("tram_link_queued_bytes", "What those will take, estimated.", links, "queued_bytes")
        yield self._by_kind(
            "tram_link_time_left_seconds", "How long those will take; none while nobody knows.", links, "eta_s"
        )
        yield self._troubles(links)
        last = GaugeMetricFamily(
            "tram_link_last_success_timestamp_seconds", "When a document was last acknowledged.", labels=["link"]
        )
        gauges = {
            "rate_bps": ("tram_link_rate_bits_per_second", "Measured acknowledged rate."),
            "dossiers_to_go": ("tram_link_dossiers_queued", "Dossiers with events not acknowledged over there."),
            "refusals": ("tram_link_refused_documents", "Documents one side refuses and the other keeps."),
            "clock_offset_s": ("tram_link_clock_offset_seconds", "How far the neighbour's clock is ahead."),
        }
        families = {name: GaugeMetricFamily(metric, words, labels=["link"]) for name, (metric, words) in gauges.items()}
        cuts = CounterMetricFamily("tram_link_cuts", "Connections that broke in the present run.", labels=["link"])
        for link in links:
            label = [link.neighbour.name]
            if link.last_success:
                last.add_metric(label, datetime.fromisoformat(link.last_success).timestamp())
            for name, family in families.items():
                family.add_metric(label, getattr(link, name))
            cuts.add_metric(label, link.cuts)
        yield last
        yield from families.values()
        yield cuts

    @staticmethod
    def _states(links: list[LinkStatus]) -> Metric:
        family = GaugeMetricFamily("tram_link_state", "1 for the state a link is in.", labels=["link", "state"])
        for link in links:
            for state in STATES:
                family.add_metric([link.neighbour.name, state], float(link.state == state))
        return family

    @staticmethod
    def _troubles(links: list[LinkStatus]) -> Metric:
        """The word alone: the desk has the sentence, and texts of a neighbour are no labels."""
        family = GaugeMetricFamily("tram_link_trouble", "1 for what is wrong with a link.", labels=["link", "trouble"])
        for link in links:
            if link.last_error:
                family.add_metric([link.neighbour.name, explain_trouble(link.last_error).word], 1.0)
        return family

    @staticmethod
    def _by_kind(name: str, words: str, links: list[LinkStatus], member: str) -> Metric:
        family = GaugeMetricFamily(name, words, labels=["link", "kind"])
        for link in links:
            for kind in link.kinds:
                value = getattr(kind, member)
                if value is not None:
                    family.add_metric([link.neighbour.name, kind.kind.value], value)
        return family


class ErrandCollector(Collector):
    """How a node's background tasks stand."""

    def __init__(self, errands: Sequence[Errand]) -> None:
        self._errands = errands

    def collect(self) -> Iterator[Metric]:
        alive = GaugeMetricFamily("tram_errand_alive", "1 while the task's thread runs.", labels=["errand"])
        failing = GaugeMetricFamily(
            "tram_errand_failing", "1 while what failed waits for a new try.", labels=["errand"]
        )
        runs = CounterMetricFamily("tram_errand_runs", "How often the task was done.", labels=["errand"])
        failures = CounterMetricFamily("tram_errand_failures", "How often it failed.", labels=["errand"])
        for status in (each.status() for each in self._errands):
            alive.add_metric([status.name], float(status.alive))
            failing.add_metric([status.name], float(bool(status.complaint)))
            runs.add_metric([status.name], status.runs)
            failures.add_metric([status.name], status.failures)
        yield from (alive, failing, runs, failures)


class NodeCollector(Collector):
    """What a node holds and waits for."""

    def __init__(self, unit: str, home: Path, store: Store, queries: Queries, db: NodeDb) -> None:
        self._unit = unit
        self._home = home
        self._store = store
        self._queries = queries
        self._db = db

    def collect(self) -> Iterator[Metric]:
        documents = GaugeMetricFamily("tram_store_documents", "Documents in a database.", labels=["database"])
        for name in self._store.names():
            documents.add_metric([name], self._store.open(name).info().doc_count)
        yield documents
        yield GaugeMetricFamily("tram_home_bytes", "Size of all files of the node's home.", value=_size(self._home))
        dossiers = GaugeMetricFamily("tram_dossiers", "Dossiers by state, of this unit and below.", labels=["status"])
        for status, count in sorted(self._queries.counts(self._unit).items()):
            dossiers.add_metric([STATUSES[status].name.en if status in STATUSES else str(status)], count)
        yield dossiers
        waiting = len(self._queries.awaiting_receipt(self._unit))
        yield GaugeMetricFamily("tram_receipts_waiting", "Filings of this unit without a receipt.", value=waiting)
        held = GaugeMetricFamily("tram_quarantine_documents", "Refused documents kept as evidence.", labels=["code"])
        for row in self._db.rows("SELECT code, count(*) AS n FROM quarantine GROUP BY code"):
            held.add_metric([row["code"]], row["n"])
        yield held
        yield from _memory()


class HealthCollector(Collector):
    """What needs a person's attention, as `tram doctor` and the desk say it: how many of each kind."""

    def __init__(self, examine: Callable[[], list[Finding]]) -> None:
        self._examine = examine

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "tram_findings", "What needs a person's attention; tram doctor says what to do.", labels=["code", "level"]
        )
        for (code, level), count in sorted(Counter((each.code, each.level) for each in self._examine()).items()):
            family.add_metric([code, level], count)
        yield family


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder; files come and go meanwhile (journals, what is written beside)."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            found = path.lstat()
            size += found.st_size if S_ISREG(found.st_mode) else 0
    return size


def _memory() -> Iterator[Metric]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    yield GaugeMetricFamily("tram_process_peak_memory_bytes", "The most memory the process has held.", value=peak)
    statm = Path("/proc/self/statm")  # Linux alone has it
    if statm.exists():
        pages = int(statm.read_text(encoding="ascii").split()[1])
        yield GaugeMetricFamily(
            "tram_process_memory_bytes", "Memory the process holds.", value=pages * resource.getpagesize()
        )
