"""Whether the revocation lists (CRLs) behind a database are young enough to rely on.

A stale list refuses no event: a commune may be cut off for weeks. But trust is then *provisional*: a certificate may
have been revoked without anybody here knowing, so steps that cannot be taken back wait until a fresh list has come.

Asked are the CAs from the database's unit up to the root, of every generation that is still valid. A unit further
down whose node has stood still for months holds up its own dossiers only. A CA that has never published a list is given
the life of one (`CRL_LIFE`) from its own beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509

from crypto.certificates import dns_suffix_of, parse_certificate
from crypto.crl import Crl, is_issued_by, revocation_of
from crypto.names import is_within, unit_dns
from server.dossier import units
from server.dossier.states import Text
from server.pki.authority import BACKDATED, CRL_LIFE
from server.pki.directory import Directory, key_id

Status = Literal["fresh", "stale", "missing", "rolled_back"]

WARN_BEFORE = timedelta(days=10)  # of a list's thirty days: time to fetch the CA's key out of its safe


@dataclass(frozen=True, slots=True)
class AuthorityFreshness:
    """One CA's newest list. `number` is None where no list has come; `due` is when the next one has to be here."""

    name: str
    key_id: str
    status: Status
    number: int | None
    due: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the lists behind a database are worth at an instant.

    While `provisional`, irreversible steps must wait; `reason` says why and what to do. `due` is the earliest instant
    at which trust becomes provisional (or became); `soon` says that it lies within `WARN_BEFORE`.
    """

    provisional: bool
    soon: bool
    due: datetime
    reason: Text | None
    authorities: tuple[AuthorityFreshness, ...]


class TrustState:
    """What one node knows about revocation. Safe from several threads."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def freshness(self, database: str, at: datetime) -> Freshness:
        """Return what the CRLs that `database` holds are worth at `at` (aware, UTC)."""
        found = tuple(
            self._judge(database, authority, at)
            for authority in self._authorities(database)
            if authority.not_valid_after_utc >= at and not self._is_revoked(database, authority, at)
        )
        lapsed = next((each for each in found if each.status != "fresh"), None)
        due = min((each.due for each in found), default=at)
        reason = _sentence(lapsed) if lapsed else None
        return Freshness(lapsed is not None, due - at < WARN_BEFORE, due, reason, found)

    def lists(self, database: str) -> dict[str, Crl]:
        """Return the newest list of each CA from the database's unit up to the root, by the CA's key identifier in hex:
        what a phone needs to judge who signs there. A CA of which no list is here is left out."""
        found = {key_id(each): self._newest(database, each) for each in self._authorities(database)}
        return {key: crl for key, crl in found.items() if crl is not None}

    def _authorities(self, database: str) -> list[x509.Certificate]:
        """Return the anchors and the CAs here whose branch the database's unit lies in, each key once."""
        owner = units.unit_of_database(database)
        found = {key_id(root): root for root in self._directory.anchors.roots}
        for key, ders in self._directory.authorities(database).items():
            for certificate in map(parse_certificate, ders):
                if key not in found and owner is not None and _covers(certificate, owner):
                    found[key] = certificate
        return list(found.values())

    def _judge(self, database: str, authority: x509.Certificate, at: datetime) -> AuthorityFreshness:
        name, key = _common_name(authority), key_id(authority)
        newest = self._newest(database, authority)
        seen = self._directory.highest_number(database, key)
        if newest is None:
            due = authority.not_valid_before_utc + BACKDATED + CRL_LIFE
            status: Status = "rolled_back" if seen else "fresh" if at <= due else "missing"
            return AuthorityFreshness(name, key, status, None, due)
        status = "rolled_back" if newest.number < seen else "fresh" if at <= newest.next_update else "stale"
        return AuthorityFreshness(name, key, status, newest.number, newest.next_update)

    def _newest(self, database: str, authority: x509.Certificate) -> Crl | None:
        candidates = self._directory.crls(database).of(authority.subject.public_bytes())
        return next((crl for crl in candidates if is_issued_by(crl, authority)), None)

    def _is_revoked(self, database: str, authority: x509.Certificate, at: datetime) -> bool:
        """Say whether any issuer's newest list names this CA: what it owes us no longer matters."""
        for crl in self._directory.crls(database).of(authority.issuer.public_bytes())[:1]:
            found = revocation_of(crl, authority.serial_number)
            if found is not None and found.effective_at <= at:
                return True
        return False


def _covers(certificate: x509.Certificate, unit: str) -> bool:
    suffix = dns_suffix_of(certificate)  # the door took no CA whose constraints have another shape
    return suffix is None or is_within(unit_dns(unit), suffix)


def _common_name(certificate: x509.Certificate) -> str:
    attributes = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else certificate.subject.rfc4514_string()


def _sentence(lapsed: AuthorityFreshness) -> Text:
    day = lapsed.due.strftime("%d/%m/%Y")
    if lapsed.status == "stale":
        return Text(
            f"Danh sách thu hồi chứng thư của {lapsed.name} đã quá hạn từ {day}, nên kết quả kiểm tra chữ ký chỉ là tạm"
            " thời. Đồng bộ với cấp trên, hoặc nhập gói USB mới nhất, rồi làm lại.",
            f"The certificate revocation list of {lapsed.name} lapsed on {day}, so trust is provisional. Sync with the"
            " unit above, or import its newest USB bundle, then try again.",
        )
    if lapsed.status == "missing":
        return Text(
            f"Chưa nhận được danh sách thu hồi chứng thư nào của {lapsed.name} (lẽ ra phải có trước {day}), nên kết quả"
            " kiểm tra chữ ký chỉ là tạm thời. Đồng bộ với cấp trên, rồi làm lại.",
            f"No certificate revocation list of {lapsed.name} has ever come (one was due by {day}), so trust is"
            " provisional. Sync with the unit above, then try again.",
        )
    return Text(
        f"Danh sách thu hồi chứng thư của {lapsed.name} ở đây cũ hơn bản nút này đã từng nhận: dữ liệu có thể vừa được"
        " khôi phục từ bản sao lưu. Đồng bộ với cấp trên, rồi làm lại.",
        f"The certificate revocation list of {lapsed.name} here is older than one this node has already seen: the store"
        " may have been restored from a backup. Sync with the unit above, then try again.",
    )
