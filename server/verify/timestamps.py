"""Verifying time-stamps: each token's form and name, that it is about the event it names, and who vouches for it.

A token under an authority that the trust policy does not name is no defect of the store: it proves nothing, and is
counted in a note.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from crypto.errors import CryptoError, UntrustedChain
from crypto.hashing import rev_of, sha256_id
from crypto.jcs import canonical
from crypto.strictjson import parse
from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.store import Database
from server.dossier.documents import TIMESTAMP_PREFIX
from server.dossier.trustpolicy import TimeAuthority
from server.errors import Refused, ServerError
from server.timestamps.documents import MAX_BODY_BYTES, parse_timestamp
from server.timestamps.stamps import verify_about
from server.timestamps.token import verify_token
from server.verify.report import Report


def verify_timestamp_document(doc: Doc) -> str:
    """Return the id of a document that is what it says of itself. Raises `CryptoError`, `ServerError`."""
    content = canonical(parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=3))
    if doc.id != TIMESTAMP_PREFIX + sha256_id(content) or doc.rev != rev_of(content):
        reason = f"its content is {TIMESTAMP_PREFIX}{sha256_id(content)}, it is stored as {doc.rev}"
        raise Refused("bad_id", reason)
    parse_timestamp(doc.body)
    return doc.id


class TimestampDocuments:
    """The time-stamps of one database: `keep` each, then `check` them by a policy."""

    def __init__(self, database: Database, report: Report) -> None:
        self._database = database
        self._report = report
        self._ids: list[str] = []

    def keep(self, doc_id: str) -> None:
        """Keep the name of a document that `verify_timestamp_document` took."""
        self._ids.append(doc_id)

    def check(self, authorities: Sequence[TimeAuthority]) -> None:
        """Verify every token under the authorities of the policy, and against the event it names."""
        why: Counter[str] = Counter()
        for doc_id in self._ids:
            try:
                found = parse_timestamp(self._database.get(DocId(doc_id)).body)
                verify_token(found.token, authorities)
                verify_about(found.token, self._database.get(DocId(found.of)).body, found.event)
            except NotFound:
                why["are about events that are not here"] += 1
            except UntrustedChain as exc:
                why[f"prove nothing: {exc}"] += 1
            except (CryptoError, ServerError, KeyError, TypeError, ValueError) as exc:
                self._report.problems.append(f"{self._database.name}: {doc_id}: {exc}")
            else:
                self._report.checked["time-stamps"] += 1
        for reason, count in sorted(why.items()):
            self._report.notes.append(f"{self._database.name}: {count} time-stamps {reason}")
