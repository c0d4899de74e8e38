"""Threat 24: an SMS in the office's name, from a forged sender. Ours hold nothing that would be worth imitating."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from server.dossier.dossier import Dossier, States
from server.dossier.event import StreamId
from server.dossier.notices import NEWS, SMS_CHARS, build_notice

CODE = "H41.12.03-261121-0427"
EMPTY = Dossier(
    stream=StreamId("01937c2e-0000-7000-8000-000000000000"), states=States(), heads=(), missing=(), timeline=()
)
# What a forger lives on: an address to open, a number to call or enter, a secret, money, haste.
BAIT = re.compile(
    r"https?:|www\.|\.vn\b|\.com\b|\w/\w|\d{5,}|otp|mat khau|mat ma|ma xac|ma pin|chuyen khoan|tai khoan|phi |tien\b"
    r"|goi ngay|khan|bam vao|nhan vao|truy cap",
    re.IGNORECASE,
)


@pytest.mark.parametrize("status", sorted(NEWS))
@pytest.mark.parametrize("code", [CODE, "000.00.01.H41-261121-1234567", ""])
def test_no_notice_has_a_link_a_number_a_secret_or_a_price(status: int, code: str) -> None:
    """Every text the program can make, with and without a code: one SMS of plain letters without bait."""
    text = build_notice(replace(EMPTY, states=States(business=status), code=code))

    assert text.isascii()
    assert len(text) <= SMS_CHARS
    assert BAIT.search(text) is None
    assert code[:-4] not in text or not code


def test_the_bait_is_seen_where_there_is_some() -> None:
    """The check above can fail: messages as they were sent by forgers are caught."""
    for forged in (
        "Ho so cua ban bi loi, truy cap dichvucong-gov.vip de cap nhat",
        "Cong DVC Quoc gia: vui long vao https://dvc.example.vn",
        "Ma OTP cua ban la 482913",
        "Can bo xa moi goi ngay 0912345678",
    ):
        assert BAIT.search(forged)


def test_the_desk_offers_the_text_and_the_paper_warns(office: Any) -> None:
    """The official copies this text and no other; the slip says that an SMS with a link is not the office's."""
    stream = office.file()
    assert office.act(office.official, stream, "dossier.accepted", due="2030-01-01T00:00:00Z").status_code == 201
    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies

    page = unescape(office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text)
    assert build_notice(office.node.model.story(stream).dossier) in page
    slip = unescape(office.nobody.get(f"/desk/dossiers/{stream}/slip", cookies=cookies).text)
    assert "không bao giờ có đường dẫn" in slip
