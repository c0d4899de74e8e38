"""Compact JWS: tokens are read strictly, the header chooses nothing, and each use has its type."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from crypto import base64url, jcs, jws, keys
from crypto.algorithms import VerifyingKey, sign_es256
from crypto.errors import BadSignature, CryptoError, Malformed, TooLarge, UnsupportedAlgorithm

KEY = keys.private_from_scalar(0xC0FFEE)
PUBLIC = KEY.public_key()

# Wycheproof tests published as valid that we refuse, and why.
ODD = {
    346: "RFC 7520 figure 20 is PS384, its key is marked PS256",
    350: "the same figure once more",
    372: 'expects "?" inside the header to be skipped',
    373: 'expects "?" inside the payload to be skipped',
}


def signed(header: dict[str, Any] | bytes, payload: bytes = b"{}", key: keys.PrivateKey = KEY) -> str:
    """Return a correctly signed token with any header at all."""
    protected = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{base64url.encode(protected)}.{base64url.encode(payload)}"
    return f"{signing_input}.{base64url.encode(sign_es256(key, signing_input.encode()))}"


@given(st.binary(max_size=100))
def test_a_token_gives_back_header_and_payload(payload: bytes) -> None:
    """Any bytes can be the payload; `alg` is filled in."""
    token = jws.sign_compact(payload, key=KEY, header={"typ": "at+jwt", "kid": "n1"})

    header, again = jws.verify_compact(token, public_key=PUBLIC, typ="at+jwt")

    assert again == payload
    assert header == {"alg": "ES256", "kid": "n1", "typ": "at+jwt"}


def test_a_token_of_another_key_use_or_text_is_refused() -> None:
    """Wrong key, wrong type, a changed letter in any part."""
    token = jws.sign_compact(b"{}", key=KEY, header={"typ": "at+jwt"})
    header, payload, signature = token.split(".")

    with pytest.raises(BadSignature):
        jws.verify_compact(token, public_key=keys.generate_p256().public_key())
    with pytest.raises(Malformed, match="type"):
        jws.verify_compact(token, public_key=PUBLIC, typ="enrolment+jws")
    with pytest.raises(BadSignature):
        jws.verify_compact(f"{header}.{base64url.encode(b'{ }')}.{signature}", public_key=PUBLIC)
    with pytest.raises(BadSignature):
        jws.verify_compact(f"{header}.{payload}.{base64url.encode(b'x' * 63)}", public_key=PUBLIC)


def test_alg_confusion_with_the_public_key_as_hmac_secret_is_refused() -> None:
    """HS256 keyed with the PEM or JWK of the public key, the classic of row 6; also with HS256 on the caller's list."""
    signing_input = base64url.encode(b'{"alg":"HS256"}') + "." + base64url.encode(b"{}")
    for secret in (keys.public_to_pem(PUBLIC), jcs.canonical(keys.public_to_jwk(PUBLIC))):
        mac = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
        token = f"{signing_input}.{base64url.encode(mac)}"

        for allowed in ({"ES256"}, {"ES256", "HS256"}):
            with pytest.raises(UnsupportedAlgorithm):
                jws.verify_compact(token, public_key=PUBLIC, algs=allowed)


@pytest.mark.parametrize("alg", ["none", "None", "", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "PS256", None, 5])
def test_alg_confusion_by_another_name_is_refused(alg: object) -> None:
    """`none` with and without signature, other curves, Ed25519 under either name, RSA names on an EC key."""
    token = signed({"alg": alg})
    everything = {"ES256", "RS256", "PS256"}

    for text in (token, token.rpartition(".")[0] + "."):
        with pytest.raises(UnsupportedAlgorithm):
            jws.verify_compact(text, public_key=PUBLIC, algs=everything)


def test_alg_confusion_by_a_key_in_the_header_is_refused() -> None:
    """A token under the attacker's key stays one, whatever key, URL or chain its header offers."""
    attacker = keys.generate_p256()
    offer = {
        "jwk": keys.public_to_jwk(attacker.public_key()),
        "jku": "https://evil.invalid/k",
        "kid": "1",
        "x5c": ["AA"],
    }

    with pytest.raises(BadSignature):
        jws.verify_compact(signed({"alg": "ES256", **offer}, key=attacker), public_key=PUBLIC)


def test_a_self_signed_token_proves_possession_of_its_own_key_only() -> None:
    """The enrolment request: the key comes out and was really used; a foreign jwk fails."""
    own = keys.public_to_jwk(PUBLIC)
    token = jws.sign_compact(b"{}", key=KEY, header={"jwk": own, "typ": "enrolment+jws"})

    header, payload, key = jws.verify_self_signed_compact(token, typ="enrolment+jws")

    assert (key, payload, header["jwk"]) == (PUBLIC, b"{}", own)
    foreign = keys.public_to_jwk(keys.generate_p256().public_key())
    with pytest.raises(BadSignature):
        jws.verify_self_signed_compact(signed({"alg": "ES256", "jwk": foreign}))
    with pytest.raises(Malformed, match="jwk"):
        jws.verify_self_signed_compact(signed({"alg": "ES256"}))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "crit": ["exp"], "exp": 1},
        {"alg": "ES256", "crit": []},
        {"alg": "ES256", "crit": ["b64"], "b64": False},
        {"alg": "ES256", "b64": False},
        b'{"alg":"none","alg":"ES256"}',
        b'\xef\xbb\xbf{"alg":"ES256"}',
        b'["ES256"]',
        b'"ES256"',
        b'{"alg":"ES256","a":' + b"[" * 50 + b"]" * 50 + b"}",
    ],
)
def test_a_header_that_cannot_be_understood_to_the_end_is_refused(header: dict[str, Any] | bytes) -> None:
    """Critical extensions, unencoded payloads, doubled members, BOM, arrays, depth: all correctly signed."""
    with pytest.raises(Malformed):
        jws.verify_compact(signed(header), public_key=PUBLIC)


def test_nothing_is_signed_that_could_not_be_verified() -> None:
    """The signer refuses headers the verifier would refuse."""
    for header in ({"crit": ["x"]}, {"b64": False}, {"a": "x" * 20_000}):
        with pytest.raises(Malformed):
            jws.sign_compact(b"", key=KEY, header=header)
    with pytest.raises(UnsupportedAlgorithm):
        jws.sign_compact(b"", key=KEY, header={"alg": "HS256"})
    with pytest.raises(TooLarge):
        jws.sign_compact(b"x" * 60_000, key=KEY, header={})


def test_header_and_token_are_bounded_before_they_are_parsed() -> None:
    """16 KiB of header (a chain of certificates fits), 64 KiB in all."""
    chain = {"alg": "ES256", "x5c": [base64.b64encode(b"x" * 600).decode()] * 4}
    assert jws.verify_compact(signed(chain), public_key=PUBLIC)

    with pytest.raises(TooLarge):
        jws.verify_compact(signed({"alg": "ES256", "a": "x" * 17_000}), public_key=PUBLIC)
    with pytest.raises(TooLarge):
        jws.verify_compact("x" * 70_000, public_key=PUBLIC)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c.d", "e30.e30", "e30.e30.AA==", "e30.e30.é"])
def test_what_is_not_three_parts_of_base64url_is_refused(token: str) -> None:
    """Also the empty text and letters outside ASCII."""
    with pytest.raises(CryptoError):
        jws.verify_compact(token, public_key=PUBLIC)


def test_every_wycheproof_jws_is_judged_as_published(foreign_vectors: Path) -> None:
    """401 tokens. Of the valid ones we accept ES256, and RS256 and PS256 where the caller's list has them; the rest of
    the valid ones use HMAC, SHA-512 and other curves, and must be refused as unsupported."""
    groups = json.loads((foreign_vectors / "wycheproof" / "json_web_signature_test.json").read_bytes())["testGroups"]
    tests = [(group.get("public") or group["private"], test) for group in groups for test in group["tests"]]
    ours = {"ES256", "RS256", "PS256"}

    accepted = {test["tcId"] for jwk, test in tests if _is_accepted(test["jws"], jwk)}

    valid = {test["tcId"] for jwk, test in tests if test["result"] == "valid" and jwk.get("alg") in ours}
    assert accepted == valid - ODD.keys()
    assert (len(tests), len(accepted)) == (401, 16)


def _is_accepted(token: str, jwk: dict[str, Any]) -> bool:
    """Say whether the token verifies with the key and for the algorithm that its JWK states."""
    try:
        jws.verify_compact(token, public_key=_public(jwk), algs={jwk.get("alg", "ES256")})
    except CryptoError:
        return False
    return True


def _public(jwk: dict[str, Any]) -> VerifyingKey:
    if jwk["kty"] != "RSA":
        return keys.parse_public_jwk(jwk)
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise UnsupportedAlgorithm("not a key for signatures")
    n, e = (int.from_bytes(base64url.decode(jwk[name]), "big") for name in ("n", "e"))
    return rsa.RSAPublicNumbers(e, n).public_key()


def test_the_cookbook_signatures_of_rfc_7520_are_read_as_far_as_we_go(foreign_vectors: Path) -> None:
    """4.1 (RS256) verifies where RS256 is allowed; PS384, ES512 and HS256 are refused, and 4.1 too by default."""
    folder = foreign_vectors / "jose-cookbook" / "jws"
    first = json.loads((folder / "4_1.rsa_v15_signature.json").read_bytes())
    key = _public(first["input"]["key"])

    _, payload = jws.verify_compact(first["output"]["compact"], public_key=key, algs={"RS256"})

    assert payload.decode() == first["input"]["payload"]
    with pytest.raises(UnsupportedAlgorithm):
        jws.verify_compact(first["output"]["compact"], public_key=key)
    for name in ("4_2.rsa-pss_signature", "4_3.ecdsa_signature", "4_4.hmac-sha2_integrity_protection"):
        other = json.loads((folder / f"{name}.json").read_bytes())
        for public_key in (key, PUBLIC):
            with pytest.raises(UnsupportedAlgorithm):
                jws.verify_compact(other["output"]["compact"], public_key=public_key, algs={"ES256", "PS256", "RS256"})
