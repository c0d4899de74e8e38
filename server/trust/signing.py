"""What somebody should know before signing: told with the draft, not found out fifteen days later."""

from __future__ import annotations

from datetime import datetime, timedelta

from crypto.certificates import parse_certificate
from server.dossier.states import Text
from server.pki.directory import Directory
from server.trust.freshness import TrustState
from server.trust.issuance import VALID, Issuance

ENDS_SOON = timedelta(days=30)


def signing_doubts(
    directory: Directory, trust: TrustState, issuance: Issuance, *, database: str, fingerprint: str, at: datetime
) -> tuple[Text, ...]:
    """Return a sentence for each thing that will be doubtful about a signature made now; empty if nothing will.

    That the certificate still holds and is not revoked the session has checked. Here: it ends soon, its revocation
    lists have lapsed, or no approval of it is on record.
    """
    found: list[Text] = []
    der = directory.leaf(database, fingerprint)
    if der is not None:
        ends = parse_certificate(der).not_valid_after_utc
        if ends - at < ENDS_SOON:
            found.append(
                Text(
                    f"Chứng thư của anh/chị hết hạn ngày {ends:%d/%m/%Y}; đăng ký lại thiết bị trước ngày đó.",
                    f"Your certificate ends on {ends:%Y-%m-%d}; register the device again before then.",
                )
            )
    return (*found, *record_doubts(trust, issuance, database=database, fingerprint=fingerprint, at=at))


def record_doubts(
    trust: TrustState, issuance: Issuance, *, database: str, fingerprint: str, at: datetime
) -> tuple[Text, ...]:
    """Return those doubts that only the node's records tell: lapsed lists, and a certificate nobody approved."""
    found: list[Text] = []
    reason = trust.freshness(database, at).reason
    if reason is not None:
        found.append(reason)
    if issuance.judge(database, fingerprint) is not VALID:
        found.append(
            Text(
                "Chứng thư của anh/chị chưa có sự kiện phê duyệt của đơn vị; chữ ký sẽ bị đánh dấu cần xem xét.",
                "No approval of your certificate is on record; the signature will be marked for review.",
            )
        )
    return tuple(found)
