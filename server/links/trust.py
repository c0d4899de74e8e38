"""Whom a link believes over https, as its `Neighbour` says (decisions 0113 and 0115)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from cryptography import x509

from server.dossier.units import is_within
from server.links.neighbours import Neighbour
from server.links.tls import build_ca_context, build_pinned_context, build_tree_context


def build_context(link: Neighbour, ours: str, roots: Sequence[x509.Certificate]) -> ssl.SSLContext | None:
    """Return the TLS a neighbour of the unit `ours` must speak, None for the system's own trust. Raises `Refused`."""
    if link.pin:
        return build_pinned_context(link.pin)
    if link.trust == "ca":
        return build_ca_context(link.ca)
    if link.trust != "tree":
        return None
    if link.unit:
        return build_tree_context(roots, is_expected=lambda shown: shown == link.unit, expected=link.unit)
    if link.role == "parent":
        return build_tree_context(
            roots, is_expected=lambda shown: shown != ours and is_within(ours, shown), expected=f"a unit above {ours}"
        )
    return build_tree_context(
        roots, is_expected=lambda shown: shown != ours and is_within(shown, ours), expected=f"a unit below {ours}"
    )
