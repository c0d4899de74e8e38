"""Threat 18: a page or picture with scripts, sent in as a photograph or a PDF, wants to be opened on the desk."""

from __future__ import annotations

from typing import Any

import pytest

PAGE = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
POLYGLOT = b"%PDF-1.7\n<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("data", "type", "honest"),
    [
        (PAGE, "application/pdf", False),
        (SVG, "image/png", False),
        (PAGE, "image/jpeg", False),
        (POLYGLOT, "application/pdf", True),
    ],
)
def test_a_file_is_never_opened_as_something_that_runs(office: Any, data: bytes, type: str, honest: bool) -> None:
    """What is not of its kind comes as bytes to save; what is comes sandboxed, and nothing is guessed."""
    reference = office.citizen.put_file(data, "giay.jpg") | {"type": type}
    office.file(files=[reference])
    answer = office.official.get(f"/api/files/{reference['sha256']}")
    assert answer.content == data
    assert answer.headers["Content-Type"].split(";")[0] == (type if honest else "application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("inline" if honest else "attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_a_type_that_runs_is_not_taken_at_all(office: Any) -> None:
    """An event names photographs and PDFs, nothing else."""
    reference = office.citizen.put_file(SVG, "giay.svg") | {"type": "image/svg+xml"}
    with pytest.raises(Exception, match=r"image/svg\+xml"):
        office.file(files=[reference])
