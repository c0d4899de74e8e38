"""The server is killed while it answers: every 201 that anybody received stands."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
import requests

from replication.sqlite import SqliteStore
from tests.replication.durability.process import ServerProcess

DATABASE = "u-h41-12-03"
WRITERS = 3
ROUNDS = 3


class Writer(threading.Thread):
    """A client that writes until its server is gone, and remembers what was acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self._url, self._name = f"{url}/{DATABASE}", name
        self._rand = random.Random(name)
        self.documents: dict[str, tuple[str, str]] = {}
        self.local_number = -1
        self.first = threading.Event()

    def run(self) -> None:
        with requests.Session() as session:
            try:
                for number in range(100_000):
                    self._write(session, number)
                    self.first.set()
            except requests.RequestException:
                self.first.set()  # the server was killed: what was under way is nobody's promise

    def _write(self, session: requests.Session, number: int) -> None:
        batch = {f"{self._name}-{number}-{n}": self._rand.randbytes(200).hex() for n in range(self._rand.randint(1, 8))}
        docs = [{"_id": doc_id, "text": text} for doc_id, text in batch.items()]
        answer = session.post(f"{self._url}/_bulk_docs", json={"docs": docs}, timeout=60)
        assert answer.status_code == 201, answer.text
        for row in answer.json():
            self.documents[row["id"]] = (row["rev"], batch[row["id"]])
        edited = answer.json()[0]
        text = self._rand.randbytes(100).hex()
        again = session.put(f"{self._url}/{edited['id']}?rev={edited['rev']}", json={"text": text}, timeout=60)
        assert again.status_code == 201, again.text
        self.documents[edited["id"]] = (again.json()["rev"], text)
        local = session.put(f"{self._url}/_local/{self._name}", json={"number": number}, timeout=60)
        assert local.status_code == 201, local.text
        self.local_number = number


class Compactor(threading.Thread):
    """Compacts without a pause, so that kills fall into compactions too."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url}/{DATABASE}/_compact"
        self.done = 0

    def run(self) -> None:
        with requests.Session() as session:
            try:
                while True:
                    answer = session.post(self._url, headers={"Content-Type": "application/json"}, timeout=60)
                    assert answer.status_code == 202, answer.text
                    self.done += 1
            except requests.RequestException:
                return


@pytest.mark.parametrize("compacting", [False, True], ids=["writing", "compacting"])
def test_a_killed_server_still_has_everything_it_answered_for(tmp_path: Path, compacting: bool) -> None:
    """SIGKILL, restart on the same files, check, and again; over HTTP, with several clients at once."""
    rand = random.Random(compacting)
    server = ServerProcess(tmp_path)
    requests.put(f"{server.url}/{DATABASE}", timeout=60).raise_for_status()
    uuid = requests.get(server.url, timeout=60).json()["uuid"]
    told = 0
    acknowledged: list[Writer] = []
    for life in range(ROUNDS):
        writers = [Writer(server.url, f"{life}-{n}") for n in range(WRITERS)]
        others = [Compactor(server.url)] if compacting else []
        for thread in (*writers, *others):
            thread.start()
        for writer in writers:
            assert writer.first.wait(60)
        threading.Event().wait(rand.uniform(0, 0.5))  # not for synchronisation: the moment is to be any
        seq = requests.get(f"{server.url}/{DATABASE}", timeout=60).json()["update_seq"]
        told = max(told, int(seq.partition("-")[0]))
        server.kill()
        for thread in (*writers, *others):
            thread.join(90)
        acknowledged += writers
        check_files(tmp_path, uuid)
        server = ServerProcess(tmp_path)
        check(server, acknowledged, told, seq.partition("-")[2])
    server.stop()

    assert sum(len(writer.documents) for writer in acknowledged) > ROUNDS * WRITERS


def check_files(directory: Path, uuid: str) -> None:
    """What the kill left is sound, and not taken for a copy."""
    store = SqliteStore(directory)
    assert store.uuid == uuid
    assert store.open(DATABASE).check() == []
    store.close()


def check(server: ServerProcess, acknowledged: list[Writer], told: int, epoch: str) -> None:
    """Every acknowledged document and local document is read back as it was sent, or as sent later."""
    url = f"{server.url}/{DATABASE}"
    rows = server.session.get(f"{url}/_all_docs?include_docs=true", timeout=60).json()["rows"]
    found = {row["id"]: row["doc"] for row in rows}
    for writer in acknowledged:
        for doc_id, (rev, text) in writer.documents.items():
            doc = found[doc_id]
            # An edit that was stored and not answered is newer than what was acknowledged.
            assert (doc["_rev"], doc["text"]) == (rev, text) or doc["_rev"].startswith("2-") > rev.startswith("2-")
        local = server.session.get(f"{url}/_local/{writer._name}", timeout=60)
        assert local.status_code == 200 or writer.local_number < 0
        assert local.json().get("number", -1) in (writer.local_number, writer.local_number + 1)
    info = server.session.get(url, timeout=60).json()
    number, _, now = info["update_seq"].partition("-")
    assert now == epoch
    assert int(number) >= told
    assert info["doc_count"] == len(rows)
    feed = server.session.get(f"{url}/_changes", timeout=60).json()["results"]
    assert len(feed) == len({row["id"] for row in feed}) == len(rows)
