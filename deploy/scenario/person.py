"""Somebody with a key who speaks a node's API: what the phone and the desk do in a browser, done in Python.

The event is made and signed before any server is asked; `send` resumes wherever the link ended, and returns the
receipt only once the node has signed it. Nothing here is privileged: it is the public API of docs/architecture.md.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from cryptography import x509

from crypto import base64url
from crypto.event import event_document, fingerprint_of, sign_event
from crypto.jws import sign_compact
from crypto.keys import PrivateKey, generate_p256, public_to_jwk
from deploy.scenario.scans import Scan, draw_preview
from server.dossier.event import FileRef, build_event, build_stream_id
from server.dossier.manifest import Manifest, build_manifest

CALL_LIMIT_S = 20.0
ENROL_LIMIT_S = 120.0  # an official approves it within moments; a busy machine takes its time
TOKEN_LIFE_S = 300
ASK_AGAIN_S = 0.3

# No connection, no answer in time, or an answer that ended in the middle.
LINK_LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Refusal(Exception):
    """The node answered, and said no. The message carries its words."""


@dataclass(slots=True)
class Person:
    """A person with a key, registered at one node once `enrol` has returned.

    `node` is the node's base URL. `session` keeps one connection alive, as a browser does.
    """

    name: str
    node: str
    key: PrivateKey = field(default_factory=generate_p256)
    session: requests.Session = field(default_factory=requests.Session)
    certificate: x509.Certificate | None = None
    subject: str = ""
    node_urn: str = ""
    thumbprint: str = ""

    def request_enrolment(self, *, kind: str, activation: str | None = None) -> str:
        """Ask the node for a certificate; return the six digits to compare at the counter."""
        self.node_urn = self._json("GET", "/api/node")["urn"]
        claims = {"name": self.name, "kind": kind, "nonce": base64url.encode(secrets.token_bytes(16)), "iat": _now()}
        if activation:
            claims["activation"] = activation
        header = {"typ": "tram-enrolment+jwt", "jwk": public_to_jwk(self.key.public_key())}
        request = sign_compact(json.dumps(claims).encode(), key=self.key, header=header)
        answer = self._json("POST", "/api/enrolments", json={"request": request})
        self.thumbprint = answer["thumbprint"]
        self._take(answer)
        return str(answer["code"])

    def wait_for_certificate(self, limit_s: float = ENROL_LIMIT_S) -> None:
        """Ask until the certificate is there. Raises `Refusal` when the request is refused or `limit_s` pass."""
        deadline = time.monotonic() + limit_s
        while self.certificate is None:
            if time.monotonic() > deadline:
                raise Refusal(f"{self.name}: no certificate after {limit_s:.0f} s")
            self._take(self._json("GET", f"/api/enrolments/{self.thumbprint}"))
            if self.certificate is None:
                time.sleep(ASK_AGAIN_S)  # as the phone does: nothing tells it, and the deadline bounds the asking

    def sign(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"event", "signatures"}` under this person's key. Needs no network."""
        if self.certificate is None:
            raise Refusal(f"{self.name} has no certificate yet")
        return sign_event(event, key=self.key, certificate=self.certificate, iat=_now())

    def act(self, stream: str, type: str, **fields: Any) -> dict[str, Any]:
        """Ask for a draft, sign it, hand it in; return the node's answer with `event` added. What the desk does."""
        return self._sign_draft(f"/api/dossiers/{stream}/drafts", {"type": type, "fields": fields})

    def approve(self, thumbprint: str) -> dict[str, Any]:
        """Approve the enrolment of the key with this thumbprint, as an official, signed."""
        return self._sign_draft(f"/api/enrolments/{thumbprint}/drafts", {})

    def dossier(self, stream: str) -> dict[str, Any]:
        """Return the folded dossier as the node sees it."""
        return dict(self._json("GET", f"/api/dossiers/{stream}"))

    def find_procedure(self, code: str) -> dict[str, Any] | None:
        """Return a procedure from the node's catalogue, None while it is not there."""
        catalogue = self._json("GET", "/api/catalogue")
        return next((dict(each) for each in catalogue["procedures"] if each["code"] == code), None)

    def find_dossier(self, stream: str) -> dict[str, Any] | None:
        """Return the folded dossier, None while the node has not heard of it."""
        answer = self._send("GET", f"/api/dossiers/{stream}")
        if answer.status_code == requests.codes.not_found:
            return None
        return dict(_checked(answer).json())

    def fetch_enrolments(self) -> list[dict[str, Any]]:
        """Return the enrolment requests that wait for an official."""
        return list(self._json("GET", "/api/enrolments")["pending"])

    def _sign_draft(self, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
        draft = self._json("POST", path, json=wanted)
        answer = self._json("POST", "/api/events", json=self.sign(draft["event"]))
        return {**answer, "event": draft["event"]}

    def _take(self, answer: Mapping[str, Any]) -> None:
        if answer["state"] == "refused":
            raise Refusal(f"{self.name}: enrolment refused")
        if answer["state"] == "issued":
            self.certificate = x509.load_der_x509_certificate(b64decode(answer["certificate"], validate=True))
            self.subject = answer["subject"]

    def _token(self) -> str:
        if self.certificate is None:
            raise Refusal(f"{self.name} has no certificate yet")
        now = _now()
        claims = {"iss": self.subject, "aud": self.node_urn, "iat": now, "exp": now + TOKEN_LIFE_S}
        header = {"typ": "tram-token+jwt", "x5t#S256": fingerprint_of(self.certificate)}
        return sign_compact(json.dumps(claims).encode(), key=self.key, header=header)

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token()}"} if self.certificate else {}
        return self.session.request(method, self.node + path, headers=headers, timeout=CALL_LIMIT_S, **options)

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        return _checked(self._send(method, path, **options))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return self._call(method, path, **options).json()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A dossier on the phone, complete and signed, waiting for a link."""

    stream: str
    document: Mapping[str, Any]
    manifests: Mapping[str, Manifest]
    chunks: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(map(len, self.chunks.values()))


class Citizen(Person):
    """A person with a phone. `prepare` works without a network, `send` goes on where the last try ended."""

    def prepare(
        self, *, unit: str, procedure: str, applicant: Mapping[str, str], form: Mapping[str, str], scans: Sequence[Scan]
    ) -> Outgoing:
        """Return a signed submission with its files cut into chunks. Uses no network."""
        manifests: dict[str, Manifest] = {}
        chunks: dict[str, bytes] = {}
        files = []
        for scan in scans:
            original = ""
            for data, name in _with_preview(scan):
                manifest, pieces = build_manifest(data)
                manifests[manifest.id] = manifest
                chunks.update(zip(manifest.chunks, pieces, strict=True))
                files.append(FileRef(manifest.sha256, manifest.id, len(data), "image/jpeg", name, scan.part, original))
                original = manifest.sha256
        event = build_event(
            stream=build_stream_id(time.time_ns() // 1_000_000, secrets.token_bytes(10)),
            type="dossier.submitted",
            unit=unit,
            actor=self.subject,
            at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=secrets.token_bytes(16),
            body={"procedure": procedure, "channel": "online", "applicant": dict(applicant), "form": dict(form)}
            | {"delivery": "counter"},
            files=files,
        )
        return Outgoing(event["stream"], event_document(self.sign(event)), manifests, chunks)

    def send(self, outgoing: Outgoing, *, limit_s: float) -> dict[str, Any]:
        """Bring the dossier to the node over a link that may end at any moment, and return the `receipt.issued` event.

        Asks which chunks are missing, sends those, then the manifests, then the event; after a cut it asks again,
        so that at most one chunk is ever sent twice. Raises `Refusal` if the node says no or `limit_s` pass.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                self._send_files(outgoing)
                self._send_event(outgoing)
                return self._wait_for_receipt(outgoing, deadline)
            except LINK_LOST:
                time.sleep(ASK_AGAIN_S)  # the link is down; the deadline bounds how often it is tried
        raise Refusal(f"not received within {limit_s:.0f} s")

    def _send_files(self, outgoing: Outgoing) -> None:
        missing = self._json("POST", "/api/files/missing", json={"chunks": list(outgoing.chunks)})["missing"]
        for chunk in missing:
            self._call("PUT", f"/api/files/chunks/{chunk}", data=outgoing.chunks[chunk])
        for name, manifest in outgoing.manifests.items():
            self._call("PUT", f"/api/files/manifests/{name}", json={"manifest": manifest.value()})

    def _send_event(self, outgoing: Outgoing) -> None:
        rows = self._json("POST", "/db/mine/_bulk_docs", json={"new_edits": False, "docs": [outgoing.document]})
        if rows:
            raise Refusal(f"the node refused the event: {rows}")

    def _wait_for_receipt(self, outgoing: Outgoing, deadline: float) -> dict[str, Any]:
        since = "0"
        while time.monotonic() < deadline:
            query = {"since": since, "feed": "longpoll", "timeout": "5000", "include_docs": "true"}
            page = self._json("GET", "/db/mine/_changes", params=query)
            since = page["last_seq"]
            for row in page["results"]:
                event: dict[str, Any] = row["doc"].get("event", {})
                if event.get("type") == "receipt.issued" and event["stream"] == outgoing.stream:
                    return event
        raise Refusal("the node holds the dossier but has not signed a receipt")


def _checked(answer: requests.Response) -> requests.Response:
    if answer.status_code >= requests.codes.bad_request:
        asked = f"{answer.request.method} {answer.request.path_url}"
        raise Refusal(f"{asked}: {answer.status_code} {answer.text[:400]}")
    return answer


def _now() -> int:
    return int(time.time())


def _with_preview(scan: Scan) -> list[tuple[bytes, str]]:
    """Return a scan and its preview with their names; what is no picture travels without one."""
    preview = draw_preview(scan.jpeg)
    small = [(preview, f"{Path(scan.name).stem}.xem-truoc.jpg")] if preview is not None else []
    return [(scan.jpeg, scan.name), *small]
