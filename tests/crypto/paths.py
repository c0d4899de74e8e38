"""Checking a path as tests do: at one instant, up to the province, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import chain, crl
from crypto.errors import UntrustedChain

NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def verify(province: Any, leaf: Any, *above: Any, at: datetime = NOW, **options: Any) -> chain.VerifiedSigner:
    """Return who signs with `leaf`, under `above` or else the province's own intermediates."""
    intermediates = [holder.der for holder in above] or province.intermediates
    return chain.verify_chain(
        leaf.der, intermediates, anchors=options.pop("anchors", province.anchors), at=at, **options
    )


def reason_of(province: Any, leaf: Any, *above: Any, **options: Any) -> str:
    """Return why the chain is refused; fail if it is not."""
    with pytest.raises(UntrustedChain) as refused:
        verify(province, leaf, *above, **options)
    return refused.value.reason_code


def crl_of(holder: Any, *revoked: crl.Revocation, number: int = 1, at: datetime = NOW) -> crl.Crl:
    """Return a list of `holder`'s that names `revoked` and holds thirty days from `at`."""
    built = crl.build_crl(
        holder.certificate, holder.key, number=number, revoked=revoked, this_update=at, next_update=at + 30 * DAY
    )
    return crl.parse_crl(built.public_bytes(Encoding.DER))
