"""Threat 19: names made to leave a folder, to hide an ending, or to be something else on another system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from crypto import base64url, jcs, jws
from server.export.folder import export_dossier

# Refused where they are signed: what they hide would be believed by whoever reads the list of papers.
HIDING = ["hoa-don\u202efdp.exe", "giay\u200bkhai.jpg", "giay\x00.jpg", "giay\u2066.jpg", "a" * 300 + ".jpg"]
SCAN = b"\xff\xd8\xff" + b"scan" * 500


def sign_anything(event: dict[str, Any], person: Any) -> dict[str, Any]:
    """Sign as a careless program would: what `sign_event` itself refuses to put under a signature."""
    harmless = person.envelope(event | {"files": []})["signatures"][0]
    header = json.loads(base64url.decode(harmless["protected"]))
    protected, _, signature = jws.sign_compact(jcs.canonical(event), key=person.key, header=header).split(".")
    return {"event": event, "signatures": [{"protected": protected, "signature": signature, "header": {"etsiU": []}}]}


@pytest.mark.parametrize(
    "name", [*HIDING, "../../etc/passwd", "/etc/passwd", "C:\\Windows\\system.ini", "..", "a/b.jpg"]
)
def test_a_name_that_hides_or_leads_elsewhere_is_refused(office: Any, helpers: Any, name: str) -> None:
    """Signed properly by somebody's own program, it is refused at the door all the same, with the word for it."""
    person = office.citizen.person
    event = helpers.submission(office.node.unit, person, files=[office.citizen.put_file(SCAN)])
    event["files"][0]["name"] = name

    answer = office.citizen.post("/api/events", sign_anything(event, person))

    assert answer.status_code in (400, 403)
    assert "name" in answer.json()["reason"] or "character" in answer.json()["reason"]
    assert office.node.model.queries.dossier(event["stream"]) is None


@pytest.mark.parametrize("name", ["CON", "-rf", "giấy khai sinh (bản sao).jpg", "a;rm -rf;.jpg", 'a".jpg'])
def test_an_odd_name_is_text_and_nothing_more(office: Any, tmp_path: Path, name: str) -> None:
    """An export writes under hashes, a download says the name in its quoted form alone."""
    reference = office.citizen.put_file(SCAN) | {"name": name}
    stream = office.file(files=[reference])
    office.node.model.follower.catch_up()

    export_dossier(office.node, stream, tmp_path / "export")

    assert not any(path.name.startswith(name[:3]) for path in (tmp_path / "export").rglob("*"))
    answer = office.official.get(f"/api/files/{reference['sha256']}")
    assert answer.content == SCAN
    quoted = answer.headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
    assert unquote(quoted) == name
    assert not set('/\\";\r\n ') & set(quoted)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_path_in_an_address_is_no_path_here(office: Any) -> None:
    """Dots in an address find nothing, encoded or not."""
    for path in (
        "/api/files/..%2f..%2fnode.json",
        "/desk/static/..%2f..%2fhome.py",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/x",
    ):
        assert office.citizen.get(path).status_code in (301, 302, 400, 401, 403, 404)
