"""Threat 20: markup in a dossier's fields wants to run on the desk and use the official's key."""

from __future__ import annotations

import json
from typing import Any

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
LINK = "javascript:alert(document.domain)"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))


def test_markup_in_every_field_is_shown_as_text(office: Any, helpers: Any) -> None:
    """Names, answers, reasons and file names come out escaped, on the page and in the lists."""
    reference = office.citizen.put_file(JPEG, f"a{LINK}<b>.jpg".replace("/", "_"))
    body = {
        "procedure": "1.001193",
        "channel": "online",
        "applicant": {"name": MARKUP[:100], "phone": LINK[:32], "address": MARKUP},
        "form": {"ho_ten": MARKUP, "ghi_chu": LINK},
        "delivery": "counter",
    }
    stream = office.file(body=body, files=[reference])
    assert office.act(office.official, stream, "dossier.commented", text=MARKUP).status_code == 201
    token = office.official.person.token(office.official.audience)
    cookies = office.official.post("/api/session", {"token": token}).cookies

    for path in (f"/desk/dossiers/{stream}", "/desk?queue=all", "/desk?q=%3Cscript%3Ealert(2)"):
        page = office.nobody.get(path, cookies=cookies).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript:' not in page
    assert "&lt;script&gt;alert(2)" in office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text


def test_what_slipped_through_would_not_run(office: Any) -> None:
    """Pages allow scripts of this node's own files alone: none in the markup, none from elsewhere, no eval."""
    for path in ("/desk/login", "/", "/api/node"):
        policy = office.nobody.get(path).headers["Content-Security-Policy"]
        rules = {name: values for name, *values in (rule.split() for rule in policy.split(";") if rule.strip())}
        assert rules.get("script-src", rules["default-src"]) in (["'self'"], ["'none'"]), path
        assert "unsafe-eval" not in policy
        assert rules["default-src"] in (["'none'"], ["'self'"])


def test_the_api_answers_json_that_no_browser_takes_for_a_page(office: Any) -> None:
    """With its type, and nothing guessed from the content."""
    stream = office.file(
        body={
            "procedure": "1.001193",
            "channel": "online",
            "applicant": {"name": MARKUP[:100]},
            "form": {},
            "delivery": "counter",
        }
    )
    answer = office.official.get(f"/api/dossiers/{stream}")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.text)["applicant"]["name"] == MARKUP[:100]
