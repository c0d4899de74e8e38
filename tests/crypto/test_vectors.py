"""The golden events: the format other programs were written against does not move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto import certificates, jws, strictjson
from crypto.errors import BadSignature, CryptoError, Malformed, UnsupportedAlgorithm
from tests.vectors import make_event_vectors

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "event"
EVENTS: list[dict[str, Any]] = json.loads((FOLDER / "events.json").read_bytes())
TEXTS: list[dict[str, Any]] = json.loads((FOLDER / "texts.json").read_bytes())
WHY: dict[type[CryptoError], str] = {
    BadSignature: "signature",
    Malformed: "malformed",
    UnsupportedAlgorithm: "algorithm",
}


def judge(case: dict[str, Any]) -> tuple[bool, str, jws.SignedEvent | None]:
    """Return (ok, why, the event) for a case, in the words of the file."""
    certificate = certificates.parse_certificate_pem(case["certificate"].encode())
    entry = {"protected": case["protected"], "signature": case["signature"], "header": {"etsiU": []}}
    try:
        signed = jws.parse_signed_event({"event": case["event"], "signatures": [entry]})
        jws.verify_event_signature(signed, signer=jws.certificate_signer(certificate))
    except CryptoError as exc:
        return False, next(word for kind, word in WHY.items() if isinstance(exc, kind)), None
    return True, "", signed


@pytest.mark.parametrize("case", EVENTS, ids=[case["name"] for case in EVENTS])
def test_a_golden_event_is_judged_as_the_file_says(case: dict[str, Any]) -> None:
    """Accepted with exactly this canonical form, id and revision, or refused for exactly this reason."""
    ok, why, signed = judge(case)

    assert (ok, why) == (case["ok"], case["why"])
    if signed is not None:
        assert (signed.payload.decode(), signed.id, signed.rev) == (case["canonical"], case["id"], case["rev"])


@pytest.mark.parametrize("case", [case for case in EVENTS if case["ok"]], ids=lambda case: case["name"])
def test_signing_a_golden_event_gives_its_canonical_form(case: dict[str, Any]) -> None:
    """The signer writes the header and the payload of the file; the malleated twin aside, the signature as well."""
    made = jws.sign_event(
        case["event"],
        key=make_event_vectors.KEY,
        certificate=make_event_vectors.CERTIFICATE,
        iat=make_event_vectors.IAT,
    )

    document = jws.event_document(made)
    assert document["_id"] == f"{case['event']['stream']}:{case['id']}"
    assert document["_rev"] == case["rev"]
    assert made["signatures"][0]["protected"] == case["protected"]
    assert (made["signatures"][0]["signature"] == case["signature"]) is ("twin" not in case["name"])


@pytest.mark.parametrize("case", TEXTS, ids=[case["name"] for case in TEXTS])
def test_a_golden_text_is_read_or_refused_as_the_file_says(case: dict[str, Any]) -> None:
    """The strict reader on texts that two parsers might read differently."""
    try:
        strictjson.parse(case["text"].encode("utf-8", "surrogatepass"), max_bytes=100_000)
    except Malformed:
        assert not case["ok"]
        return
    assert case["ok"]


@pytest.mark.parametrize("name", list(make_event_vectors.FILES))
def test_the_files_are_what_their_script_writes(name: str) -> None:
    """Nobody edits the vectors by hand: after a wanted change, run the script and say why in the changelog."""
    made = make_event_vectors.render(make_event_vectors.FILES[name]())

    assert (FOLDER / name).read_text("ascii") == made
