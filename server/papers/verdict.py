"""What is known about a PDF's signatures, as values and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from server.dossier.states import Text

Status = Literal["valid", "invalid", "indeterminate", "unsigned", "unchecked"]

HEADS: Final[Mapping[str, Text]] = {
    "valid": Text("Chữ ký số trên tệp PDF hợp lệ", "The signature in the PDF is valid"),
    "invalid": Text("Chữ ký số trên tệp PDF không hợp lệ", "The signature in the PDF is not valid"),
    "indeterminate": Text("Chưa xác định được chữ ký số trên tệp PDF", "The signature in the PDF cannot be decided"),
    "unsigned": Text("Tệp PDF không có chữ ký số", "The PDF bears no signature"),
    "unchecked": Text("Chưa kiểm tra được chữ ký số trên tệp PDF", "The PDF's signatures could not be checked"),
}

REASONS: Final[Mapping[str, Text]] = {
    "altered": Text("nội dung đã bị sửa sau khi ký", "what was signed has been altered"),
    "changed_after": Text("tệp có phần được thêm vào sau khi ký", "something was added to the file after signing"),
    "broken": Text("chữ ký không khớp với khóa của người ký", "the signature does not fit the signer's key"),
    "revoked": Text("chứng thư của người ký đã bị thu hồi", "the signer's certificate has been revoked"),
    "expired": Text(
        "chứng thư của người ký đã hết hạn và không có dấu thời gian chứng minh ký trước đó",
        "the signer's certificate has expired, and no time-stamp proves that it was signed before",
    ),
    "not_yet_valid": Text("chứng thư của người ký chưa có hiệu lực", "the signer's certificate is not valid yet"),
    "unknown_ca": Text(
        "tổ chức cấp chứng thư không nằm trong danh sách tin cậy của tỉnh; kiểm tra với quản trị",
        "the issuer is not among those the province trusts; ask the administrator",
    ),
    "untrusted": Text("không lập được đường dẫn tin cậy đến chứng thư gốc", "no path to a trusted root was found"),
    "unreadable": Text(
        "tệp hỏng, được mã hóa hoặc không phải PDF; xuất lại tệp rồi đính kèm lại",
        "the file is damaged, encrypted or no PDF; export it again and attach it anew",
    ),
    "too_many": Text("tệp có quá nhiều chữ ký", "the file bears too many signatures"),
    "limits": Text(
        "kiểm tra vượt giới hạn thời gian hoặc bộ nhớ; xuất lại tệp gọn hơn",
        "the check exceeded its time or memory; export a simpler file",
    ),
    "not_installed": Text(
        "nút này chưa cài bộ kiểm tra PDF (gói mở rộng «pdf»)", 'this node lacks the PDF checker (extra "pdf")'
    ),
}


@dataclass(frozen=True, slots=True)
class PaperSignature:
    """One signature in a PDF. `at` is RFC 3339, "" if the file names no time; `stamped` says that a time-stamp proves
    it. `whole`: it covers the file to its end. `reason` is a word of `REASONS`, "" for a valid one."""

    status: Status
    reason: str
    signer: str
    issuer: str
    at: str
    stamped: bool
    whole: bool

    def value(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "reason": self.reason,
            "signer": self.signer,
            "issuer": self.issuer,
            "at": self.at,
            "stamped": self.stamped,
            "whole": self.whole,
        }


@dataclass(frozen=True, slots=True)
class PaperVerdict:
    """What all signatures of a PDF amount to: the worst of them."""

    status: Status
    reason: str
    signatures: tuple[PaperSignature, ...] = ()

    def value(self) -> dict[str, Any]:
        """The JSON object of the verdict, with its sentence."""
        return {
            "status": self.status,
            "reason": self.reason,
            "text": self.text().value(),
            "signatures": [each.value() for each in self.signatures],
        }

    def text(self) -> Text:
        """The sentence for people."""
        head, reason = HEADS[self.status], REASONS.get(self.reason)
        if reason is None:
            return Text(head.vi + ".", head.en + ".")
        return Text(f"{head.vi}: {reason.vi}.", f"{head.en}: {reason.en}.")


def parse_verdict(value: Mapping[str, Any]) -> PaperVerdict:
    """Return the verdict in a JSON object that `value` made. Raises KeyError, TypeError, ValueError for another."""
    if value["status"] not in HEADS:
        raise ValueError(f"no verdict: {value['status']!r}")
    signatures = tuple(PaperSignature(**each) for each in value["signatures"])
    return PaperVerdict(value["status"], str(value["reason"]), signatures)
