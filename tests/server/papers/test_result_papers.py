"""Signatures inside result papers: real PDFs, signed here by pyHanko, checked in the process apart."""

from __future__ import annotations

import io
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from server.papers import checking, child
from server.papers.checking import check_pdf

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
DER = serialization.Encoding.DER


def blank_pdf() -> bytes:
    """One empty page with a line of content."""
    writer = PdfFileWriter()
    content = writer.add_object(generic.StreamObject(stream_data=b"BT ET % giay khai sinh"))
    writer.insert_page(PageObject(contents=content, media_box=(0, 0, 200, 200)))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def certificate(name: str, issuer: Any = None, *, ends: datetime = NOW + timedelta(days=365)) -> tuple[Any, Any]:
    """A CA, or a signer's certificate by `issuer` (key, certificate): returns (key, certificate)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    above = issuer[1].subject if issuer else subject
    ca = issuer is None
    usage = x509.KeyUsage(not ca, not ca, False, False, False, ca, ca, False, False)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(above).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=400))
    builder = builder.not_valid_after(ends).add_extension(x509.BasicConstraints(ca, None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    signer = (issuer or (key, None))[0]
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(authority, critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def sign_pdf(pdf: bytes, who: tuple[Any, Any], field: str = "ChuKy") -> bytes:
    """The PDF with a signature by (key, certificate), as PAdES has it."""
    key, leaf = who
    pkcs8 = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(leaf.public_bytes(DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(pkcs8),
        cert_registry=SimpleCertificateStore(),
    )
    meta = signers.PdfSignatureMetadata(field_name=field, md_algorithm="sha256")
    out = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), meta, signer=signer)
    return bytes(out.getvalue())


@pytest.fixture(scope="module")
def authority() -> tuple[Any, Any]:
    """The CA whose signatures the province accepts."""
    return certificate("CA tỉnh mẫu")


@pytest.fixture(scope="module")
def signed(authority: Any) -> bytes:
    """A good paper."""
    return sign_pdf(blank_pdf(), certificate("Lò Văn Páo", authority))


def in_child(pdf: bytes, authority: Any) -> Any:
    """The verdict as a node gets it, from the process apart."""
    return check_pdf(pdf, roots=[authority[1].public_bytes(DER)], at=NOW)


def verdict_on(pdf: bytes, authority: Any) -> Any:
    """The same without the process, which takes a second to start."""
    return child.check(pdf, {"roots": [b64encode(authority[1].public_bytes(DER))], "at": NOW.isoformat()})


def test_a_good_signature_is_valid_and_names_signer_issuer_and_extent(signed: bytes, authority: Any) -> None:
    """Who, by whose certificate, when by their clock, and that the whole file is covered."""
    verdict = in_child(signed, authority)
    assert (verdict.status, verdict.reason) == ("valid", "")
    [one] = verdict.signatures
    assert (one.signer, one.issuer, one.whole, one.stamped) == ("Lò Văn Páo", "CA tỉnh mẫu", True, False)
    assert one.at.endswith("Z")
    assert verdict.text().vi == "Chữ ký số trên tệp PDF hợp lệ."


def test_a_changed_byte_is_found(signed: bytes, authority: Any) -> None:
    """The content was altered under the signature."""
    assert b"giay khai sinh" in signed
    verdict = verdict_on(signed.replace(b"giay khai sinh", b"giay khai tu !"), authority)
    assert (verdict.status, verdict.reason) == ("invalid", "altered")


def test_what_was_added_after_signing_is_told(signed: bytes, authority: Any) -> None:
    """An incremental update that changes the page: the signature is whole, and does not speak for the file."""
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT ET % them vao"))
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    verdict = verdict_on(out.getvalue(), authority)
    assert (verdict.status, verdict.reason) == ("invalid", "changed_after")
    assert not verdict.signatures[0].whole


def test_an_expired_certificate_without_a_stamp_decides_nothing(authority: Any) -> None:
    """It may have been signed in time; nothing proves it."""
    old = certificate("Lò Văn Páo", authority, ends=NOW - timedelta(days=1))
    verdict = verdict_on(sign_pdf(blank_pdf(), old), authority)
    assert (verdict.status, verdict.reason) == ("indeterminate", "expired")


def test_an_unknown_authority_decides_nothing(signed: bytes) -> None:
    """The signature is whole; whether its signer is who they say is for the province's list."""
    verdict = verdict_on(signed, certificate("CA khác"))
    assert (verdict.status, verdict.reason) == ("indeterminate", "unknown_ca")
    assert "quản trị" in verdict.text().vi


def test_of_two_signatures_the_worse_one_counts(signed: bytes, authority: Any) -> None:
    """A second signer whom nobody knows does not hide behind the first."""
    stranger = certificate("Người lạ", certificate("CA lạ"))
    verdict = verdict_on(sign_pdf(signed, stranger, "ChuKy2"), authority)
    assert verdict.status == "indeterminate"
    assert [each.status for each in verdict.signatures] == ["valid", "indeterminate"]


@pytest.mark.parametrize("pdf", [b"", b"\x00" * 1000, b"%PDF-1.7\n" + b"<<" * 20000])
def test_what_is_no_pdf_is_said_to_be_unreadable(pdf: bytes, authority: Any) -> None:
    """And ends nothing but the child."""
    assert in_child(pdf, authority).reason in ("unreadable", "limits")


def test_a_paper_without_a_signature_is_told_apart_from_a_bad_one(authority: Any) -> None:
    """Most scans are unsigned; that is no fault."""
    assert verdict_on(blank_pdf(), authority).status == "unsigned"


def test_a_check_that_takes_too_long_ends_with_its_reason(signed: bytes, authority: Any, monkeypatch: Any) -> None:
    """The desk never waits for a PDF made to be slow."""
    monkeypatch.setattr(checking, "TIMEOUT_S", 0.01)
    verdict = in_child(signed, authority)
    assert (verdict.status, verdict.reason) == ("unchecked", "limits")


def test_the_official_is_told_before_signing_and_the_verdict_stays_with_the_dossier(
    office: Any, helpers: Any, signed: bytes, authority: Any
) -> None:
    """Attached, checked, resolved: desk and API show what was found, by the roots the province put in papers.pem."""
    pem = authority[1].public_bytes(serialization.Encoding.PEM)
    (office.node.home.path / "certs" / "papers.pem").write_bytes(pem)
    stream = office.file()
    assert office.act(office.official, stream, "dossier.accepted", due="2030-01-01T00:00:00Z").status_code == 201

    bad = signed.replace(b"giay khai sinh", b"giay khai tu !")
    reference = office.official.put_file(bad, "ket-qua.pdf", "ket-qua") | {"type": "application/pdf"}
    found = office.official.get(f"/api/files/manifests/{reference['manifest']}/signatures").json()
    assert (found["status"], found["reason"]) == ("invalid", "altered")
    assert "sửa sau khi ký" in found["text"]["vi"]

    good = office.official.put_file(signed, "ket-qua.pdf", "ket-qua") | {"type": "application/pdf"}
    fields = {"outcome": "granted", "summary": "Đã cấp", "files": [good]}
    assert office.act(office.official, stream, "dossier.resolved", **fields).status_code == 201
    papers = helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["papers"])
    assert papers[good["sha256"]]["status"] == "valid"

    cookies = office.official.post(
        "/api/session", {"token": office.official.person.token(office.official.audience)}
    ).cookies
    page = office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    assert "Chữ ký số trên tệp PDF hợp lệ" in page
    assert "Lò Văn Páo" in page
    assert "ký toàn bộ tệp" in page


def test_only_officials_ask_about_papers_that_are_in_no_dossier_yet(office: Any, signed: bytes) -> None:
    """A manifest's name is no permission."""
    reference = office.official.put_file(signed, "ket-qua.pdf", "ket-qua")
    path = f"/api/files/manifests/{reference['manifest']}/signatures"
    assert office.citizen.get(path).status_code == 403
