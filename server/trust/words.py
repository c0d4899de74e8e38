"""What is doubtful about a signature, in the words of the desk, the phone and the API."""

from __future__ import annotations

from typing import Final

from server.dossier.states import Text

_STATUS: Final = {
    "valid": Text("Chữ ký hợp lệ", "The signature is valid"),
    "indeterminate": Text("Chưa xác định được chữ ký", "The signature cannot be decided"),
    "invalid": Text("Chữ ký không hợp lệ", "The signature is not valid"),
}

_REASON: Final = {
    "revoked": Text(
        "chứng thư của người ký đã bị thu hồi trước khi có bằng chứng về thời điểm ký",
        "the signer's certificate had been revoked before the signature was proven to exist",
    ),
    "expired": Text(
        "chứng thư của người ký đã hết hạn khi văn bản đến nút này",
        "the signer's certificate had ended when the document reached this node",
    ),
    "not_yet_valid": Text(
        "chứng thư của người ký chưa có hiệu lực khi văn bản đến nút này; kiểm tra đồng hồ của nút",
        "the signer's certificate was not yet valid when the document reached this node; check the node's clock",
    ),
    "crl_stale": Text(
        "danh sách thu hồi chứng thư đã quá hạn khi kiểm tra; sẽ kiểm tra lại khi có danh sách mới",
        "the revocation list had lapsed when this was checked; it is checked again when a new one comes",
    ),
    "not_recorded": Text(
        "cơ quan cấp không có sự kiện phê duyệt nào cho chứng thư này",
        "the issuing unit has no signed approval of this certificate",
    ),
    "policy": Text(
        "chính sách tin cậy không chấp nhận thuật toán hoặc gốc tin cậy này cho loại văn bản này",
        "the trust policy does not accept this algorithm or anchor for this kind of document",
    ),
}


def verdict_text(status: str, reason: str) -> Text:
    """Return the sentence for a verdict. A reason that is not in the table is shown as the word it is."""
    head = _STATUS[status]
    if not reason:
        return head
    tail = _REASON.get(reason, Text(reason, reason))
    return Text(f"{head.vi}: {tail.vi}.", f"{head.en}: {tail.en}.")
