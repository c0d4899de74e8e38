"""What somebody is about to sign reads as a sentence, in both languages, for each kind of event."""

from __future__ import annotations

from typing import Any

import pytest

from server.api.statements import _STATEMENTS, Subject, build_statement
from server.dossier.states import Text

ABOUT = Subject("H41.12.03-261121-0001", "Lò Thị Mẫu", Text("Đăng ký khai sinh", "Birth registration"))
OF = (
    "hồ sơ H41.12.03-261121-0001 (Đăng ký khai sinh) của Lò Thị Mẫu",
    "dossier H41.12.03-261121-0001 (Birth registration) of Lò Thị Mẫu",
)
SAID: dict[str, tuple[dict[str, Any], str, str]] = {
    "dossier.submitted": (
        {"delivery": "post"},
        "Tôi nộp hồ sơ Đăng ký khai sinh cho Lò Thị Mẫu; nhận kết quả qua bưu chính công ích.",
        "I file a dossier, Birth registration, for Lò Thị Mẫu; the result is to be received by post.",
    ),
    "dossier.accepted": (
        {"code": "H41.12.03-7", "due": "2026-11-24T09:30:00Z"},
        "Tôi tiếp nhận {of}, cấp mã H41.12.03-7, hẹn trả kết quả trước 16 giờ 30 phút, ngày 24/11/2026.",
        "I accept {of}, give it the code H41.12.03-7, and set the result's due time to 16:30 on 24 November 2026.",
    ),
    "dossier.refused": (
        {"reason": "Thiếu {giấy} tờ"},  # braces in what somebody wrote stay as they are
        "Tôi từ chối tiếp nhận {of}. Lý do: Thiếu {giấy} tờ",
        "I do not accept {of}. Reason: Thiếu {giấy} tờ",
    ),
    "dossier.forwarded": ({"to": "Hộ tịch"}, "Tôi chuyển {of} đến Hộ tịch.", "I hand {of} on to Hộ tịch."),
    "dossier.supplement_requested": (
        {"items": ["Giấy chứng sinh", "Tờ khai"], "reason": "Ảnh mờ"},
        "Tôi yêu cầu bổ sung {of}: Giấy chứng sinh; Tờ khai. Lý do: Ảnh mờ",
        "I ask for more papers in {of}: Giấy chứng sinh; Tờ khai. Reason: Ảnh mờ",
    ),
    "dossier.supplemented": ({}, "Tôi bổ sung {of}.", "I add to {of}."),
    "dossier.withdrawn": (
        {"reason": "Đã có"},
        "Tôi xin rút {of}. Lý do: Đã có",
        "I withdraw {of}. Reason: Đã có",
    ),
    "dossier.stopped": (
        {"reason": "Trùng"},
        "Tôi dừng giải quyết {of}. Lý do: Trùng",
        "I stop the processing of {of}. Reason: Trùng",
    ),
    "dossier.resolved": (
        {"outcome": "rejected", "summary": "Không đủ điều kiện"},
        "Tôi kết thúc xử lý {of}, kết quả: không đồng ý giải quyết. Không đủ điều kiện",
        "I finish {of}, outcome: rejected. Không đủ điều kiện",
    ),
    "dossier.returned": (
        {"method": "counter", "receiver": "Lò Thị Mẩy"},
        "Tôi đã trả kết quả {of} trực tiếp cho Lò Thị Mẩy.",
        "I handed over the result of {of} at the counter to Lò Thị Mẩy.",
    ),
    "dossier.commented": ({"text": "Đã xem"}, "Tôi ghi ý kiến vào {of}: Đã xem", "I comment on {of}: Đã xem"),
    "dossier.conflict_resolved": (
        {"chosen": "sha256-0123456789", "reason": "Đúng"},
        "Tôi giải quyết mâu thuẫn trong {of}, chọn quyết định …23456789. Lý do: Đúng",
        "I settle the conflict in {of} in favour of decision …23456789. Reason: Đúng",
    ),
    "enrol.approved": (
        {"name": "Giàng A Páo", "kind": "citizen"},
        "Tôi đã kiểm tra giấy tờ tùy thân và xác nhận Giàng A Páo (công dân) giữ khóa này.",
        "I have checked the identity papers and confirm that Giàng A Páo (citizen) holds this key.",
    ),
}


@pytest.mark.parametrize("type", sorted(SAID))
def test_a_statement_says_what_is_signed_in_both_languages(type: str) -> None:
    """Names, times and choices as people read them; how many files go with it."""
    body, vi, en = SAID[type]
    wanted = Text(vi.replace("{of}", OF[0]), en.replace("{of}", OF[1]))

    assert build_statement(type, body, ABOUT, 0) == wanted
    ended = Text(wanted.vi.rstrip(".") + ".", wanted.en.rstrip(".") + ".")  # people's own words may have no full stop
    assert build_statement(type, body, ABOUT, 1) == Text(f"{ended.vi} Kèm theo 1 tệp.", f"{ended.en} With 1 file.")


def test_every_statement_has_its_sentence_here_and_a_strange_type_is_named() -> None:
    """Nobody signs a kind of event that nobody put into words without being told its name."""
    assert SAID.keys() <= _STATEMENTS.keys()
    assert build_statement("x.y", {}, ABOUT, 0) == Text('Tôi ký sự kiện "x.y".', 'I sign an event of type "x.y".')
