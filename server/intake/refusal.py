"""From what the floors below raise to the words of `server.errors.REFUSALS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crypto.errors import BadSignature, CryptoError, TooLarge, UnsupportedAlgorithm, UntrustedChain
from replication.errors import Forbidden
from server.errors import Refused

_CHAIN_CODES = {"revoked": "revoked", "actor_mismatch": "actor_mismatch", "unknown_issuer": "unknown_certificate"}


@contextmanager
def refusing(otherwise: str = "malformed") -> Iterator[None]:
    """Turn a `CryptoError` of the block into the `Refused` that names it; `otherwise` is for plain `Malformed`."""
    try:
        yield
    except CryptoError as exc:
        raise Refused(_code(exc, otherwise), str(exc)) from exc


def forbidden(refused: Refused) -> Forbidden:
    """Return the error a replicator sees: it records the document as refused and goes on with the rest."""
    return Forbidden(f"{refused.code}: {refused.reason}")


def _code(exc: CryptoError, otherwise: str) -> str:
    if isinstance(exc, TooLarge):
        return "too_large"
    if isinstance(exc, UnsupportedAlgorithm):
        return "unsupported_algorithm"
    if isinstance(exc, BadSignature):
        return "bad_signature"
    if isinstance(exc, UntrustedChain):
        return _CHAIN_CODES.get(exc.reason_code, "untrusted_chain")
    return otherwise
