"""The same evidence once more, in the shapes the openssl command reads.

    signatures/01.txt    what was signed: the JWS signing input (RFC 7515 §5.1), one line of ASCII
    signatures/01.sig    the signature as DER (OpenSSL's form of r ‖ s)
    signatures/01.pem    the signer's certificate, then its issuers
    signatures/01.time   Unix seconds at which this node first held the event
    crls.pem             the issuers' revocation lists

Nothing here has to be believed: a signature that fits the text under the certificate's key is that key's signature, and
the text is the JWS's own `protected` and `payload`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.algorithms import der_from_raw
from crypto.certificates import certificate_to_pem
from crypto.crl import Crl, is_issued_by, revocation_of
from crypto.event import SignedEvent
from server.home import write_atomically

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exported event: its number in the folder, who signed it and since when the exporting node has held it."""

    number: str
    signed: SignedEvent
    chain: tuple[x509.Certificate, ...]
    held_since: datetime

    def is_valid_at(self, at: datetime) -> bool:
        """Say whether all certificates of the chain are within their dates at `at`."""
        return all(each.not_valid_before_utc <= at <= each.not_valid_after_utc for each in self.chain)


def write_signatures(out: Path, evidence: Sequence[Evidence]) -> None:
    """Write `signatures/` for the openssl command."""
    for each in evidence:
        stem = out / "signatures" / each.number
        pem = "".join(map(certificate_to_pem, each.chain))
        write_atomically(stem.with_suffix(".txt"), each.signed.signing_input, _MODE)
        write_atomically(stem.with_suffix(".sig"), der_from_raw(each.signed.signature), _MODE)
        write_atomically(stem.with_suffix(".pem"), pem.encode("ascii"), _MODE)
        write_atomically(stem.with_suffix(".time"), b"%d\n" % each.held_since.timestamp(), _MODE)


def write_crls(out: Path, crls: Sequence[Crl]) -> None:
    """Write each list as DER under its own hash, and all of them as PEM for `openssl verify -CRLfile`."""
    for crl in crls:
        write_atomically(out / "crls" / f"{crl.fingerprint}.crl", crl.der, _MODE)
    pem = b"".join(crl.entries.public_bytes(Encoding.PEM) for crl in crls)
    write_atomically(out / "crls.pem", pem, _MODE)


def newest_crls(chains: Sequence[Sequence[x509.Certificate]], known: Sequence[Crl]) -> list[Crl]:
    """Return the highest-numbered list of each CA of the chains that `known` has, each once."""
    found: dict[str, Crl] = {}
    for authority in {each for chain in chains for each in chain[1:]}:
        own = [crl for crl in known if is_issued_by(crl, authority)]
        if own:
            newest = max(own, key=lambda crl: crl.number)
            found[newest.fingerprint] = newest
    return sorted(found.values(), key=lambda crl: crl.fingerprint)


def is_covered(chain: Sequence[x509.Certificate], crls: Sequence[Crl], at: datetime) -> bool:
    """Say whether every CA of a chain has a list here that is not stale at `at`."""
    return all(any(is_issued_by(crl, ca) and at <= crl.next_update for crl in crls) for ca in chain[1:])


def is_revoked(chain: Sequence[x509.Certificate], crls: Sequence[Crl]) -> bool:
    """Say whether any list names any certificate of the chain, whenever that was."""
    return any(
        crl.issuer == each.issuer.public_bytes() and revocation_of(crl, each.serial_number) is not None
        for each in chain
        for crl in crls
    )


def write_sums(out: Path) -> None:
    """Write SHA256SUMS over everything in the folder, as `sha256sum -c` reads it."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    lines = [f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out).as_posix()}\n" for path in files]
    write_atomically(out / "SHA256SUMS", "".join(lines).encode("ascii"), _MODE)
