"""Bundles between two made-up nodes with real keys: documents in a real store, parts in a real folder."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crypto import jws, keys, strictjson
from crypto.errors import CryptoError
from crypto.keys import PrivateKey
from replication.bundle import (
    AgeKey,
    BadBundle,
    BundleWriter,
    Envelope,
    Opener,
    PartFile,
    PartReader,
    Sealer,
    Signed,
    read_stretches,
)
from replication.bundle.writer import Plan
from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.sqlite import SqliteStore
from replication.store import ZERO


@dataclass
class Signer:
    """Signs as the node of `unit`; its key is known to `Verifier` by that name."""

    unit: str = "A"
    key: PrivateKey = field(default_factory=keys.generate_p256)

    def sign(self, payload: bytes, typ: str) -> str:
        return jws.sign_compact(payload, key=self.key, header={"typ": typ, "kid": self.unit})


@dataclass
class Verifier:
    """Believes the signers it knows."""

    known: dict[str, Signer]

    def verify(self, token: str, typ: str) -> Signed:
        try:
            from crypto import base64url

            header = strictjson.parse(base64url.decode(token.partition(".")[0]), max_bytes=4096, max_depth=2)
            signer = self.known[header["kid"]]
            _, payload = jws.verify_compact(token, public_key=signer.key.public_key(), typ=typ)
        except (CryptoError, KeyError, TypeError) as exc:
            raise BadBundle(f"signed by nobody we know: {exc!r}") from exc
        return Signed(payload, signer.unit)


def make_doc(number: int, size: int = 300) -> Doc:
    text = hashlib.sha256(b"%d" % number).hexdigest() * (size // 64 + 1)
    body = b'{"n":%d,"text":"%s"}' % (number, text[:size].encode())
    digest = hashlib.sha256(body).hexdigest()[:32]
    return Doc(DocId(f"doc-{number:06d}"), Rev(f"1-{digest}"), (digest,), False, body)


def make_chunk(number: int, size: int = 32768) -> Doc:
    data = hashlib.shake_256(b"chunk %d" % number).digest(size)
    digest = hashlib.sha256(data).hexdigest()[:32]
    chunk = Attachment("application/octet-stream", "", len(data), 1, data)
    return Doc(DocId(f"chunk-{number:06d}"), Rev(f"1-{digest}"), (digest,), False, b"{}", {"chunk": chunk})


@dataclass
class Workshop:
    """Everything needed to write and read bundles from A to B."""

    folder: Path
    store: SqliteStore
    signer: Signer
    verifier: Verifier
    key: AgeKey
    seq: int = 0

    @property
    def opener(self) -> Opener:
        return Opener([self.key])

    def fill(self, events: int = 40, chunks: int = 0, name: str = "u-a", size: int = 300) -> None:
        database = self.store.create(name) if name not in self.store.names() else self.store.open(name)
        docs = [make_doc(i, size) for i in range(events)] + [make_chunk(i) for i in range(chunks)]
        for start in range(0, len(docs), 200):
            database.bulk_docs(docs[start : start + 200], new_edits=False)

    def plan(self, **changes: Any) -> Plan:
        self.seq += 1
        envelope = Envelope(
            secrets.token_hex(16), 1, "A", "B", self.seq, "2026-11-21T00:00:00Z", "2027-02-21T00:00:00Z"
        )
        return Plan(envelope, self.store.uuid, "", {}, None, **changes)

    def write(
        self,
        name: str = "u-a",
        *,
        limit_bytes: int = 1 << 40,
        part_bytes: int = 1 << 30,
        since: str = "0",
        folder: Path | None = None,
        **options: Any,
    ) -> list[PartFile]:
        """Write a database as one bundle; return its parts."""
        database = self.store.open(name)
        end = database.info().update_seq
        plan = self.plan()
        with BundleWriter(
            folder or self.folder,
            f"a-b-{plan.envelope.seq:06d}",
            plan,
            signer=self.signer,
            sealer=Sealer([self.key.recipient]),
            limit_bytes=limit_bytes,
            part_bytes=part_bytes,
            **options,
        ) as writer:
            reached = Seq(since)
            for stretch in read_stretches(database, reached or ZERO, end):
                if not writer.add("events", name, stretch):
                    break
                reached = stretch.until
            return writer.finish({name: reached})

    def read(self, path: Path) -> tuple[PartReader, list[Doc], list[str]]:
        """Return (the reader, all documents that come out, what is wrong)."""
        from replication.bundle import BundleError

        docs: list[Doc] = []
        faults: list[str] = []
        with PartReader(path, self.verifier, self.opener) as reader:
            for slot in reader.slots():
                try:
                    docs += reader.read(slot).docs
                except BundleError as exc:
                    faults.append(f"frame {slot.index}: {exc}")
        return reader, docs, faults


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    signer = Signer()
    folder = tmp_path / "stick"
    folder.mkdir()
    made = Workshop(folder, SqliteStore(tmp_path / "store"), signer, Verifier({"A": signer}), AgeKey.generate())
    yield made
    made.store.close()


@pytest.fixture
def make_signer() -> Callable[[str], Signer]:
    return Signer
