"""Browsers and Python read and write the same signatures: WebCrypto in Node, both ways."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto import base64url, certificates, jcs, jws, keys

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors" / "event" / "events.json"

Ask = Callable[[str, list[Any]], list[Any]]
pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def ask(node_command: str) -> Ask:
    """A function that sends (task, items) to `webcrypto.mjs` and returns its answers."""

    def run(task: str, items: list[Any]) -> list[Any]:
        request = json.dumps({"task": task, "items": items}).encode()
        done = subprocess.run([node_command, HERE / "webcrypto.mjs"], input=request, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answers: list[Any] = json.loads(done.stdout)
        return answers

    return run


def test_webcrypto_verifies_what_python_signed(ask: Ask) -> None:
    """Every golden event with a canonical form: WebCrypto says of the signature what the file says."""
    cases = [
        case for case in json.loads(VECTORS.read_bytes()) if case["canonical"] and case["why"] in ("", "signature")
    ]

    verdicts = ask("verify", cases)

    other_certificate = "checked against another certificate"  # WebCrypto compares no fingerprints; the key differs too
    assert any(case["name"] == other_certificate for case in cases)
    assert [(case["name"], said) for case, said in zip(cases, verdicts, strict=True)] == [
        (case["name"], case["ok"]) for case in cases
    ]
    assert len(cases) > 20


def test_python_verifies_what_webcrypto_signed(ask: Ask, province: Any, event: dict[str, Any]) -> None:
    """An event signed in the browser's way passes our parser to the letter, and its canonical form is ours."""
    holder = province.official
    signer = jws.certificate_signer(holder.certificate)
    secret = holder.key.private_numbers().private_value.to_bytes(32, "big")
    jwk = {**keys.public_to_jwk(holder.key.public_key()), "d": base64url.encode(secret)}
    protected = {
        "typ": "jose+json",
        "alg": "ES256",
        "x5t#S256": signer.fingerprint,
        "iat": 1780279384,
        "cty": "vnd.tram.event+json",
    }

    [made] = ask("sign", [{"jwk": jwk, "protected": protected, "event": event}])

    entry = {"protected": made["protected"], "signature": made["signature"], "header": {"etsiU": []}}
    signed = jws.parse_signed_event({"event": event, "signatures": [entry]})
    assert jws.verify_event_signature(signed, signer=signer).decode() == made["canonical"]


def test_an_enrolment_request_of_a_browser_is_read(ask: Ask) -> None:
    """A JWK as browsers export it (with `ext` and `key_ops`) inside the header of a self-signed token."""
    [made] = ask("enrol", [{"payload": '{"name":"Lò Văn A"}'}])

    header, payload, key = jws.verify_self_signed_compact(made["token"])

    assert payload.decode() == '{"name":"Lò Văn A"}'
    assert header["jwk"]["ext"] is True
    assert keys.public_to_jwk(key).items() <= made["jwk"].items()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])).filter("__proto__".__ne__), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values=st.lists(_json, max_size=15))
def test_canonical_form_is_that_of_v8_byte_for_byte(ask: Ask, values: list[Any]) -> None:
    """Random values, floats and letters of every plane included: ECMAScript is the reference of RFC 8785."""
    answers = ask("canonical", [json.dumps(value) for value in values])

    assert [jcs.canonical(value).decode() for value in values] == answers


def test_the_certificate_is_read_by_node(ask: Ask, province: Any) -> None:
    """Node's parser finds the key in our certificates (used by every `verify` above); here for node certificates."""
    signature = base64url.encode(bytes(63) + b"\1")
    pem = certificates.certificate_to_pem(province.node.certificate)

    assert ask("verify", [{"certificate": pem, "protected": "e30", "canonical": "{}", "signature": signature}]) == [
        False
    ]
