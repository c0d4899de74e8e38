"""Those who wait for a certificate: anybody may ask, so an official clears the list, and the counter is never full."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest

from crypto import base64url, jws, keys
from server.enrolment import enrolments

WHY = "Mã trên điện thoại không khớp"


def asked(name: str) -> str:
    """A request as a phone makes it, with a key of its own."""
    key = keys.generate_p256()
    claims = {
        "name": name,
        "kind": "citizen",
        "iat": int(time.time()),
        "nonce": base64url.encode(secrets.token_bytes(16)),
    }
    header = {"typ": "tram-enrolment+jwt", "jwk": keys.public_to_jwk(key.public_key())}
    return jws.sign_compact(json.dumps(claims).encode(), key=key, header=header)


def test_a_full_list_stops_nobody_at_the_counter_and_is_cleared_at_the_desk(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is turned away from afar and taken from hand to hand; a refusal makes room and tells why."""
    monkeypatch.setattr(enrolments, "MAX_PENDING", 1)
    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies

    def press(path: str, fields: dict[str, str], **options: Any) -> Any:
        return office.nobody("POST", path, data=fields, allow_redirects=False, **options)

    here = {"cookies": cookies, "headers": {"Origin": office.url}}
    first = office.nobody.post("/api/enrolments", {"request": asked("Ai Đó")}).json()["thumbprint"]
    waits = asked("Lò Thị Mẫu")
    assert office.nobody.post("/api/enrolments", {"request": waits}).status_code == 429
    read = press("/desk/enrolments/read", {"request": asked("Vừ Thị Dợ")}, **here)
    assert "read=" in read.headers["Location"]

    refusal = f"/desk/enrolments/{first}/refuse"
    assert "login" in press(refusal, {"reason": WHY}).headers["Location"]
    assert office.nobody.get(f"/api/enrolments/{first}").json()["state"] == "pending"
    page = office.nobody.get("/desk/enrolments", cookies=cookies).text
    assert f'action="{refusal}"' in page
    assert press(refusal, {"reason": " "}, **here).status_code == 400
    assert press(refusal, {"reason": WHY}, **here).status_code == 303
    told = office.nobody.get(f"/api/enrolments/{first}").json()
    assert (told["state"], told["reason"]) == ("refused", WHY)
    assert [each.name for each in office.node.people.enrolments.pending()] == ["Vừ Thị Dợ"]
