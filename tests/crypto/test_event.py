"""Signed events: what is signed is what is stored, and every way of changing it is refused."""

from __future__ import annotations

import copy
import json
import unicodedata
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto import base64url, chain, jcs, jws, strictjson
from crypto.algorithms import der_from_raw, sign_es256
from crypto.errors import BadSignature, CryptoError, Malformed, TooLarge, UnsupportedAlgorithm, UntrustedChain

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
IAT = 1780279384


@pytest.fixture
def envelope(event: dict[str, Any], province: Any) -> dict[str, Any]:
    holder = province.official
    return jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT)


@pytest.fixture
def signer(province: Any) -> jws.Signer:
    return jws.certificate_signer(province.official.certificate)


def check(envelope: dict[str, Any], signer: jws.Signer) -> jws.SignedEvent:
    """Take an envelope through the wire and through both checks."""
    fields = strictjson.parse(json.dumps(envelope).encode(), max_bytes=200_000, max_depth=20)
    signed = jws.parse_signed_event(fields)
    jws.verify_event_signature(signed, signer=signer)
    return signed


def resigned(envelope: dict[str, Any], header: Any, holder: Any) -> dict[str, Any]:
    """Return the envelope under another protected header, correctly signed."""
    protected = base64url.encode(header if isinstance(header, bytes) else jcs.canonical(header))
    payload = base64url.encode(jcs.canonical_in_full(envelope["event"]))
    signature = base64url.encode(sign_es256(holder.key, f"{protected}.{payload}".encode()))
    return {**envelope, "signatures": [{"protected": protected, "signature": signature, "header": {"etsiU": []}}]}


def header_of(envelope: dict[str, Any]) -> dict[str, Any]:
    header: dict[str, Any] = orjson.loads(base64url.decode(envelope["signatures"][0]["protected"]))
    return header


def test_a_signed_event_is_verified_and_tells_its_identity(envelope: dict[str, Any], signer: jws.Signer) -> None:
    """Payload, id, revision, time and certificate of an event that went over the wire."""
    signed = check(envelope, signer)

    assert signed.payload == jcs.canonical(envelope["event"])
    assert header_of(envelope) == {
        "alg": "ES256",
        "typ": "jose+json",
        "cty": "vnd.tram.event+json",
        "iat": IAT,
        "x5t#S256": signer.fingerprint,
    }
    document = jws.event_document(envelope)
    assert document["_id"] == f"{signed.event['stream']}:{signed.id}"
    assert (document["_rev"], signed.iat) == (signed.rev, IAT)
    assert envelope["signatures"][0]["header"] == {"etsiU": []}


def test_signing_again_gives_the_same_bytes(event: dict[str, Any], province: Any, envelope: dict[str, Any]) -> None:
    """No randomness of its own: same event, key and time, same envelope."""
    holder = province.official

    assert jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT) == envelope


def test_signing_with_somebody_elses_certificate_is_refused(event: dict[str, Any], province: Any) -> None:
    """Nobody could verify the result, so it is not made."""
    with pytest.raises(BadSignature):
        jws.sign_event(event, key=province.node.key, certificate=province.official.certificate, iat=IAT)


def test_attack_1_event_under_another_persons_name_is_refused(province: Any, envelope: dict[str, Any]) -> None:
    """Signed with key A, actor B: the certificate does not match, and with A's certificate the actor does not."""
    with pytest.raises(BadSignature):
        check(envelope, jws.certificate_signer(province.node.certificate))
    signer = chain.verify_chain(
        province.node.der,
        province.intermediates,
        anchors=province.anchors,
        at=province.node.certificate.not_valid_before_utc,
    )
    with pytest.raises(UntrustedChain) as refused:
        chain.verify_actor(signer, envelope["event"]["actor"])
    assert refused.value.reason_code == "actor_mismatch"


def test_attack_1_fingerprint_of_the_victim_under_the_attackers_key_is_refused(
    province: Any, envelope: dict[str, Any], signer: jws.Signer
) -> None:
    """The header may name the victim's certificate; the signature is still checked with the victim's key."""
    with pytest.raises(BadSignature):
        check(resigned(envelope, header_of(envelope), province.node), signer)


def test_attack_1_another_certificate_of_the_same_key_is_refused(
    province: Any, issuing: Any, envelope: dict[str, Any]
) -> None:
    """After a renewal the old signature still belongs to the old certificate, and to its revocation."""
    renewed = issuing.leaf(province.commune, "H41.12.03", public_key=province.official.key.public_key())

    with pytest.raises(BadSignature, match="certificate"):
        check(envelope, jws.certificate_signer(renewed.certificate))


def test_attack_3_malleated_signature_is_the_same_event(envelope: dict[str, Any], signer: jws.Signer) -> None:
    """(r, n-s) verifies, as ECDSA has it, and changes neither id nor revision: it can only be a duplicate."""
    original = check(envelope, signer)
    r, s = decode_dss_signature(der_from_raw(original.signature))
    twin = copy.deepcopy(envelope)
    twin["signatures"][0]["signature"] = base64url.encode(r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big"))

    malleated = check(twin, signer)

    assert malleated.signature != original.signature
    assert (malleated.id, malleated.rev) == (original.id, original.rev)


def test_attack_3_other_unprotected_header_is_the_same_event(envelope: dict[str, Any], signer: jws.Signer) -> None:
    """Timestamps join later without changing what the event is."""
    stamped = copy.deepcopy(envelope)
    stamped["signatures"][0]["header"]["etsiU"] = [base64url.encode(b'{"sigTst":{}}')]

    assert check(stamped, signer).id == check(envelope, signer).id


@pytest.mark.parametrize("field", ["signature", "protected"])
@pytest.mark.parametrize("change", ["=", "==", "\n", " ", "A", "!"])
def test_attack_3_respelled_base64_is_refused(
    envelope: dict[str, Any], signer: jws.Signer, field: str, change: str
) -> None:
    """Padding, line ends and stray letters cannot make a second spelling of one signature."""
    envelope["signatures"][0][field] += change

    with pytest.raises((Malformed, BadSignature)):
        check(envelope, signer)


def test_attack_3_left_over_bits_are_refused(envelope: dict[str, Any], signer: jws.Signer) -> None:
    """The last letter of 64 bytes carries four unused bits, which must be zero."""
    text = envelope["signatures"][0]["signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    envelope["signatures"][0]["signature"] = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]

    with pytest.raises(Malformed):
        check(envelope, signer)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("stream",), "01937c2e-5b7a-7d1a-8f00-ffffffffffff"),
        (("unit",), "H41.12.04"),
        (("prev",), ["sha256-" + "A" * 43]),
        (("body", "procedure"), "2.000635"),
        (("nonce",), "AAECAwQFBgcICQoLDA0OEA"),
    ],
)
def test_attack_4_moved_to_another_dossier_or_unit_is_refused(
    envelope: dict[str, Any], signer: jws.Signer, path: tuple[str, ...], value: object
) -> None:
    """Stream, unit, predecessors and body are all under the signature."""
    place = envelope["event"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    with pytest.raises(BadSignature):
        check(envelope, signer)


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        [],
        {},
        "",
        [None],
        [{}],
        [{"protected": "", "signature": "", "header": {"etsiU": []}}],
        [{"header": {"etsiU": []}}],
    ],
)
def test_attack_5_stripped_signature_is_refused(envelope: dict[str, Any], signatures: object) -> None:
    """An unsigned event has no form: missing, empty and hollow signatures are malformed."""
    with pytest.raises(CryptoError):
        jws.parse_signed_event({**envelope, "signatures": signatures})
    with pytest.raises(Malformed):
        jws.parse_signed_event({"event": envelope["event"]})


def test_attack_5_second_signature_and_extra_members_are_refused(envelope: dict[str, Any]) -> None:
    """Nothing rides along unsigned: neither beside the event, nor in a signature, nor in the unprotected header."""
    entry = envelope["signatures"][0]
    for changed in (
        {**envelope, "signatures": [entry, entry]},
        {**envelope, "note": "hello"},
        {**envelope, "_deleted": True},
        {**envelope, "signatures": [{**entry, "payload": "e30"}]},
        {**envelope, "signatures": [{**entry, "header": {"etsiU": [], "alg": "none"}}]},
        {**envelope, "signatures": [{**entry, "header": {}}]},
        {**envelope, "signatures": [{**entry, "header": {"etsiU": [{}]}}]},
        {**envelope, "signatures": [{**entry, "header": {"etsiU": ["AA=="]}}]},
        {**envelope, "signatures": [{**entry, "header": {"etsiU": ["A" * 70_000]}}]},
        {**envelope, "event": [envelope["event"]]},
    ):
        with pytest.raises(Malformed):
            jws.parse_signed_event(changed)


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "PS256", "ES384", "EdDSA", "Ed25519", "", None, ["ES256"]])
def test_attack_6_alg_confusion_is_refused(envelope: dict[str, Any], province: Any, alg: object) -> None:
    """Every other algorithm, correctly signed all the same."""
    with pytest.raises(UnsupportedAlgorithm):
        jws.parse_signed_event(resigned(envelope, {**header_of(envelope), "alg": alg}, province.official))


@pytest.mark.parametrize(
    "change",
    [
        {"crit": ["iat"]},
        {"b64": False},
        {"sigT": "2026-11-21T07:12:09Z"},
        {"x5c": ["AA"]},
        {"jwk": {}},
        {"jku": "https://evil.invalid"},
        {"kid": "1"},
        {"typ": "JWT"},
        {"cty": "json"},
        {"iat": "1780279384"},
        {"iat": True},
        {"iat": -1},
        {"x5t#S256": "AAAA"},
        {"x5t#S256": None},
    ],
)
def test_attack_6_any_other_protected_header_is_refused(
    envelope: dict[str, Any], province: Any, change: dict[str, object]
) -> None:
    """Five members, each with its meaning; correctly signed extras and replacements are refused."""
    with pytest.raises(Malformed):
        jws.parse_signed_event(resigned(envelope, {**header_of(envelope), **change}, province.official))


def test_attack_7_protected_header_in_another_spelling_is_refused(envelope: dict[str, Any], province: Any) -> None:
    """Spaces, other order, doubled members, a missing member: correctly signed, still refused."""
    header = header_of(envelope)
    compact = jcs.canonical(header)
    for spelling in (
        json.dumps(header).encode(),
        orjson.dumps(dict(sorted(header.items(), reverse=True))),
        compact.replace(b'{"alg"', b'{"alg":"none","alg"', 1),
        compact[:-1] + b"}\n",
        b"{}",
        b"[]",
    ):
        with pytest.raises((Malformed, UnsupportedAlgorithm)):
            jws.parse_signed_event(resigned(envelope, spelling, province.official))


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 1.0},
        {"amount": 1e2},
        {"amount": 2**53},
        {"amount": float("nan")},
        {"name": unicodedata.normalize("NFD", "Nguyễn Thị Ánh")},
        {"name": "a\u202efdp.exe"},
        {"name": "Ánh\u200b"},
        {"name": "\ud800"},
        {"na\u0301me": "NFD in a member name"},
        {"__proto__": {}},
        {"constructor": 1},
        {"_id": "x"},
        {"a\x00": 1},
    ],
)
def test_attack_7_data_that_two_readers_see_differently_is_not_signed_and_not_accepted(
    event: dict[str, Any], envelope: dict[str, Any], province: Any, body: dict[str, Any]
) -> None:
    """Floats, large integers, NFD, bidi, zero width, object traps: the signer refuses, and so does the verifier."""
    holder = province.official
    event["body"] = body

    with pytest.raises(Malformed):
        jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT)
    with pytest.raises(Malformed):
        jws.parse_signed_event({**envelope, "event": event})


def test_attack_7_verifier_refuses_what_a_careless_signer_signed(
    event: dict[str, Any], envelope: dict[str, Any], province: Any
) -> None:
    """The NFD twin under a perfectly good signature: the rules are checked on receipt, not only when signing."""
    event["body"]["fields"]["hoTen"] = unicodedata.normalize("NFD", event["body"]["fields"]["hoTen"])

    with pytest.raises(Malformed, match="NFC"):
        jws.parse_signed_event(resigned({**envelope, "event": event}, header_of(envelope), province.official))


def test_attack_15_size_and_depth_are_bounded(event: dict[str, Any], province: Any) -> None:
    """48 KiB and 16 levels, when signing and when reading."""
    holder = province.official
    deep: Any = "x"
    for _ in range(15):  # the event itself is the sixteenth level
        deep = [deep]

    event["body"] = deep
    assert jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT)
    for body in ([deep], "x" * 49_000):
        event["body"] = body
        with pytest.raises(TooLarge):
            jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT)


def test_the_exported_jws_carries_payload_and_chain(envelope: dict[str, Any], province: Any) -> None:
    """Flattened JWS JSON: payload in base64url, the chain as standard base64 DER with the leaf first."""
    certificates = [province.official.certificate, province.commune.certificate, province.district.certificate]

    exported = jws.to_jws(envelope, certificates)

    assert set(exported) == {"payload", "protected", "signature", "header"}
    assert base64url.decode(exported["payload"]) == jcs.canonical(envelope["event"])
    assert len(exported["header"]["x5c"]) == 3
    token = f"{exported['protected']}.{exported['payload']}.{exported['signature']}"
    assert jws.verify_compact(token, public_key=province.official.key.public_key())[1]
    with pytest.raises(Malformed, match="x5c"):
        jws.to_jws(envelope, list(reversed(certificates)))
    with pytest.raises(Malformed, match="x5c"):
        jws.to_jws(envelope, [])


_text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn", "Co", "Zl", "Zp"]), max_size=10).map(
    lambda value: unicodedata.normalize("NFC", value)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(body=st.recursive(_text | st.integers(-(2**53) + 1, 2**53 - 1), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_may_be_signed_verifies_after_the_journey(
    event: dict[str, Any], province: Any, signer: jws.Signer, body: object
) -> None:
    """Any text and numbers inside the rules survive signing, JSON and checking."""
    event["body"] = body
    holder = province.official

    envelope = jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=IAT)

    assert check(envelope, signer).event == event
