"""What can be wrong with bytes that claim to be signed.

    CryptoError
    ├── Malformed                   not in the form its specification demands; nothing was verified
    │   └── TooLarge                refused by size or depth before it was read
    ├── UnsupportedAlgorithm        `alg` is not on the allow-list, or does not fit the key
    ├── BadSignature                well formed, and the key does not match the bytes
    ├── UntrustedChain              the signer's certificate does not lead to an anchor; see `reason_code`
    └── BadProof                    a Merkle proof or a note does not prove what it claims

Messages say what was expected and what came; `reason_code` is a stable word that programs match.
"""

from __future__ import annotations

from typing import Literal

ReasonCode = Literal[
    "expired",
    "not_yet_valid",
    "revoked",
    "unknown_issuer",
    "forged_issuer",
    "name_constraint",
    "not_a_signer",
    "bad_chain",
    "actor_mismatch",
]


class CryptoError(Exception):
    """Anything this package raises on purpose."""


class Malformed(CryptoError):
    """The bytes break the rules of their format. Ask whoever made them to make them anew."""


class TooLarge(Malformed):
    """Bigger or deeper than the stated limit; refused unread."""


class UnsupportedAlgorithm(CryptoError):
    """The algorithm is not allowed here, or the key is of another kind."""


class BadSignature(CryptoError):
    """The signature does not belong to these bytes and this key."""


class UntrustedChain(CryptoError):
    """No valid path from the certificate to a trust anchor at the instant asked for.

    `reason_code`:

    - `expired`, `not_yet_valid`: a certificate of the path was not valid at that instant;
    - `revoked`: a certificate of the path had been revoked by then;
    - `unknown_issuer`: no certificate at hand issued one of the path; it may still arrive;
    - `forged_issuer`: a certificate of the issuer's name is here, and its key did not make the signature;
    - `name_constraint`: a name lies outside the branch its issuer may certify;
    - `not_a_signer`: the leaf may not sign (a CA, wrong key usage, missing or doubled names);
    - `bad_chain`: the path breaks RFC 5280 in another way (path length, version, unknown critical extension);
    - `actor_mismatch`: the path holds, but the event names another actor than the certificate.
    """

    def __init__(self, message: str, reason_code: ReasonCode) -> None:
        super().__init__(message)
        self.reason_code: ReasonCode = reason_code


class BadProof(CryptoError):
    """A proof, checkpoint or note that does not hold."""
