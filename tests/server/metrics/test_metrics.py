"""`GET /metrics` of a running node: who may read it, what it says, and that the text is Prometheus'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PosixPath

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.api.metrics import is_from_here
from server.links.neighbours import Neighbour


def _samples(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_node_tells_links_store_intake_receipts_latencies_and_memory(office, helpers):
    """After one filing and one refused document the figures say so."""
    office.node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    stream = office.file()
    queries = office.node.model.queries
    helpers.wait_until(lambda: queries.dossier(stream) and not queries.awaiting_receipt(office.node.unit))
    bad = office.citizen.person.envelope({"v": 1, "type": "dossier.submitted"})
    assert office.citizen.post("/api/events", bad).status_code == 400

    answer = office.nobody.get("/metrics")
    found = _samples(answer.text)

    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert found["tram_link_state", "down", "parent"] == 1
    assert found["tram_link_bytes_today", "events", "parent"] == 0
    assert found["tram_store_documents", "u-h41-12-03"] >= 4
    assert found["tram_intake_documents_total", "accepted"] >= 2
    assert found["tram_receipts_waiting",] == 0
    assert found["tram_http_request_seconds_count", "2xx", "POST", "api"] == 1
    assert found["tram_http_request_seconds_count", "4xx", "POST", "api"] == 1
    assert 10e6 < found["tram_process_memory_bytes",] < 2e9
    assert found["tram_home_bytes",] > 10_000


def test_a_link_tells_what_is_wrong_and_how_long_the_rest_takes(office, helpers, monkeypatch):
    """The word the desk explains, and seconds by kind; nothing of either while there is none."""
    from server.links.allowance import Kind
    from server.metrics.collecting import LinkCollector

    office.node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    before = _samples(office.nobody.get("/metrics").text)
    office.node.sync.start()
    helpers.wait_until(lambda: office.node.sync.status()[0].last_error)
    found = _samples(office.nobody.get("/metrics").text)
    (status,) = office.node.sync.status()
    office.node.sync.stop()
    kinds = [replace(each, eta_s=95.0) if each.kind is Kind.FILES else each for each in status.kinds]
    monkeypatch.setattr(office.node.sync, "status", lambda: [replace(status, kinds=kinds)])
    families = {family.name: family.samples for family in LinkCollector(office.node.sync).collect()}

    assert not [key for key in before if key[0] == "tram_link_trouble"]
    assert found["tram_link_trouble", "parent", "unreachable"] == 1
    (left,) = families["tram_link_time_left_seconds"]
    assert (left.labels["kind"], left.value) == ("files", 95.0)


def test_refused_documents_are_counted_by_the_word_of_the_step(office):
    """A replicated document that is no event of ours counts under its word, and no peer can invent words."""
    from replication.document import Doc, DocId, Rev
    from server.intake.source import Source

    doc = Doc(DocId("nonsense"), Rev("1-" + "0" * 32), ("0" * 32,), False, b'{"x":1}', {})
    office.node.intake.admit(office.node.database, [doc], source=Source("peer", "test"))

    found = _samples(office.nobody.get("/metrics").text)
    refused = {key[1] for key in found if key[0] == "tram_intake_documents_total"} - {"accepted"}

    from server.errors import REFUSALS

    assert len(refused) == 1
    assert refused <= set(REFUSALS) | {"other"}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_through_a_proxy_an_administrator_must_ask(office, key_pool, header):
    """A proxy on the same machine makes every request look local; then a token with the role is needed."""
    through = {header: "for=203.0.113.9"}

    assert office.nobody.get("/metrics", headers=through).status_code == 401
    assert office.official.get("/metrics", headers=through).status_code == 403
    assert office.enrol(key_pool(), "admin").get("/metrics", headers=through).status_code == 200


def test_only_this_machine_counts_as_here():
    """Loopback of either family, nothing else."""
    assert is_from_here("127.0.0.1", [])
    assert is_from_here("::1", [])
    assert is_from_here("::ffff:127.0.0.1", [])
    assert not is_from_here("192.168.1.20", [])
    assert not is_from_here("::ffff:192.168.1.20", [])
    assert not is_from_here(None, [])
    assert not is_from_here("127.0.0.1", ["x-forwarded-for"])


def test_a_file_that_goes_while_the_home_is_measured_costs_no_figure(office, monkeypatch):
    """Journals and what is written beside come and go; whoever asks for figures then still gets them."""

    class Gone(PosixPath):
        """A file that was listed, and removed before anybody looked at it."""

        def is_file(self, **_):
            return True

        def stat(self, *, follow_symlinks=True):
            raise FileNotFoundError(self)

        def lstat(self):
            return self.stat(follow_symlinks=False)

    rglob = Path.rglob
    monkeypatch.setattr(
        Path, "rglob", lambda folder, pattern: [*rglob(folder, pattern), Gone(folder / "node.db-journal")]
    )

    answer = office.nobody.get("/metrics")

    assert answer.status_code == 200
    assert _samples(answer.text)["tram_home_bytes",] > 10_000
