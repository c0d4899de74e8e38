"""Time-stamps in an export (`server.export.proofs.ProofSource`): as `sigTst` in the JWS, and for `openssl ts`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from crypto import base64url, jcs, strictjson
from crypto.certificates import certificate_to_pem
from crypto.event import parse_signed_event
from crypto.hashing import parse_sha256_id
from replication.document import DocId
from replication.store import Store
from server.export.readme import section
from server.timestamps.documents import parse_timestamp
from server.timestamps.stamps import Stamps
from server.timestamps.token import build_imprint, build_response

_MAX_EVENT_BYTES: Final = 256 * 1024


class TimestampProofs:
    """The earliest time-stamp that holds of each event, if it is about the very signature that is exported."""

    folder = "timestamps"
    about = section("timestamps")

    def __init__(self, store: Store, stamps: Stamps) -> None:
        self._store = store
        self._stamps = stamps

    def files(self, database: str, event_id: str) -> Mapping[str, bytes]:
        """Return the token as a response ("tsr"), what it is about ("txt") and its authority's certificates ("pem")."""
        found = self._find(database, event_id)
        if found is None:
            return {}
        token, text, pem = found
        return {"tsr": build_response(token), "txt": text, "pem": pem}

    def unsigned(self, database: str, event_id: str) -> list[str]:
        """Return the `sigTst` of an event (ETSI TS 119 182-1 §5.3.4) in base64url form, if there is one."""
        found = self._find(database, event_id)
        return [build_sig_tst(found[0])] if found is not None else []

    def _find(self, database: str, event_id: str) -> tuple[bytes, bytes, bytes] | None:
        stamp = self._stamps.earliest(database, parse_sha256_id(event_id))
        authority = self._stamps.authority_of(database, stamp.doc_id) if stamp is not None else None
        if stamp is None or authority is None:
            return None
        opened = self._store.open(database)
        document = parse_timestamp(opened.get(DocId(stamp.doc_id)).body)
        fields = strictjson.parse(opened.get(DocId(document.of)).body, max_bytes=_MAX_EVENT_BYTES)
        signature = parse_signed_event({name: fields[name] for name in ("event", "signatures")}).signature
        if document.token.imprint != build_imprint(signature):
            return None  # of the other spelling of the signature: a reader of the JWS would find another hash
        pem = "".join(map(certificate_to_pem, (authority.certificate, *authority.chain)))
        return document.token.der, base64url.encode(signature).encode("ascii"), pem.encode("ascii")


def build_sig_tst(token: bytes) -> str:
    """Return the element of `etsiU` that carries a token."""
    value = {"sigTst": {"tstTokens": [{"val": base64.b64encode(token).decode("ascii")}]}}
    return base64url.encode(jcs.canonical(value))
