"""Pages of logs and cosigned checkpoints at the door: signed by the log of a unit that may speak in this database.

That the leaves make the root is not checked here: it needs the events, which may come later (`server.log.proofs`).
"""

from __future__ import annotations

from datetime import datetime

from crypto.certificates import parse_certificate
from crypto.hashing import rev_of, sha256_id
from crypto.jcs import canonical
from crypto.logcert import LogSigner, verify_log_certificate
from crypto.strictjson import parse
from replication.document import Doc
from server.dossier import units
from server.dossier.documents import LOG_PREFIX
from server.errors import Refused
from server.intake.documents import check_name
from server.intake.refusal import refusing
from server.log.pages import MAX_BODY_BYTES, Cosigned, Page, parse_log_document, verify_cosigned, verify_page
from server.pki.directory import Directory, UnknownCertificate


def check_log_document(doc: Doc, *, database: str, directory: Directory, now: datetime) -> Page | Cosigned:
    """Return the page or cosigned checkpoint in `doc`, its signatures proven. Raises `Refused`."""
    if len(doc.body) > MAX_BODY_BYTES:  # 1
        raise Refused("too_large", f"a page of {len(doc.body)} bytes; at most {MAX_BODY_BYTES} are read")
    check_log_name(doc)  # 2, 4
    with refusing():
        found = parse_log_document(doc.body)  # 3
    owner = units.unit_of_database(database)
    if owner is None or not units.is_within(owner, found.unit):
        raise Refused("wrong_database", f"the log of {found.unit} has nothing to say in {database}")
    with refusing():
        signers = [log_signer(each, database, directory, now) for each in found.keys]  # 7, 8
        if isinstance(found, Cosigned):
            verify_cosigned(found, *signers)  # 9
        else:
            verify_page(found, *signers)  # 9
    revoked = signers[0].revoked_at
    if revoked is not None and revoked <= now:
        raise Refused("revoked", f"the key of the log of {found.unit} was revoked {revoked:%Y-%m-%dT%H:%MZ}")
    return found


def check_log_name(doc: Doc) -> None:
    """Raise `Refused("bad_id")` unless a log document is called what its content gives."""
    with refusing():
        content = canonical(parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=4))
    check_name(doc, LOG_PREFIX + sha256_id(content), rev_of(content))


def log_signer(fingerprint: str, database: str, directory: Directory, now: datetime) -> LogSigner:
    """Return the log key with this thumbprint, proven by what `database` holds, for the time nearest to `now` at which
    its certificate is valid. Raises `UnknownCertificate`, `CryptoError`."""
    der = directory.leaf(database, fingerprint)
    if der is None:
        reason = f"the log's certificate {fingerprint} is not in {database}; send it, then what it signed"
        raise UnknownCertificate(reason, f"leaf:{fingerprint}")
    certificate = parse_certificate(der)
    at = min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    crls = directory.crls(database)
    return verify_log_certificate(der, directory.path(database, der), anchors=directory.anchors, at=at, crls=crls)
