"""A receipt on the phone, and a log that does not keep what it promised: a real node whose log lost the leaf."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from cryptography import x509
from PIL import Image
from playwright.sync_api import Browser, expect

from crypto import base64url
from crypto.logcert import log_origin
from crypto.note import NoteKey, parse_checkpoint, verify_note
from deploy.scenario.scans import sample_scans
from replication.document import DocId
from server.home import Home
from server.links.neighbours import Neighbour
from server.log.receipt import parse_receipt_url, verify_receipt
from tests.browser.phones import Phone, answer_form, parsed


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A photograph to hand in."""
    path = tmp_path / "giay.jpg"
    path.write_bytes(sample_scans()[0].jpeg)
    return path


def file_dossier(phone: Phone, scan: Path) -> str:
    """File a dossier on the phone; return its stream once the phone has verified the receipt."""
    page = phone.page
    phone.go("procedures/2.000908")
    page.get_by_text("Bắt đầu nhập hồ sơ").click()
    page.wait_for_url("**/#/drafts/*")
    answer_form(page, scan)
    page.get_by_role("link", name="Kiểm tra và ký").click()
    page.get_by_role("link", name="Đúng rồi, chuyển sang ký").click()
    page.get_by_role("button", name="Ký và nộp").click()
    page.wait_for_url("**/#/dossiers/*")
    phone.wait_for_receipt()
    return page.url.rpartition("/")[2]


def lose_leaf(node: Any, stream: str) -> None:
    """Take the filing out of the node's store and make its log anew without it, signed with the true key."""
    database = node.store.open(node.database)
    filing = next(
        each.stored for each in node.model.story(stream).events if each.stored.event.type == "dossier.submitted"
    )
    doc_id = DocId(f"{stream}:{filing.id}")
    database.purge({doc_id: [rev for rev, _ in database.leaves(doc_id)]})
    with node.db.transaction() as connection:
        for table in ("logs", "log_leaves", "log_nodes", "log_intents"):
            connection.execute(f"DELETE FROM {table}")
    node.log.open(node.clock.now())


@pytest.mark.browser
@pytest.mark.slow
def test_a_log_that_loses_what_it_receipted_is_told_with_evidence(
    chromium: Browser, office: Any, serve: Any, take: Any, scan: Path, tmp_path: Path
) -> None:
    """Cosigned, and shown without a network; then the leaf is lost and the log grows without it. The evidence that the
    phone hands over is checked here with nothing of the phone's."""
    office.stock()
    node = office.node
    _, url = serve(Home.open(node.home.path.parent / "h41-12"))
    node.links.put(Neighbour("parent", url, "parent"))
    phone = Phone(chromium, office.url)
    try:
        phone.register(office, "Lò Thị Phìn")
        stream = file_dossier(phone, scan)
        expect(phone.page.get_by_text("Đơn vị cấp trên chưa ký xác nhận")).to_be_visible()
        for _ in range(2):  # the second time brings the witness's certificate, and with it the cosignature
            node.sync.run_once("parent")
        _look_at_cosigned(phone, node, stream, tmp_path)
        assert "H41.12 ký xác nhận lúc" in _desk_page(office, stream)

        lose_leaf(node, stream)
        take(node, 4)
        phone.page.get_by_role("button", name="Kiểm tra lại ngay").click()
        expect(phone.page.get_by_role("heading", name="Sổ của đơn vị không có hồ sơ này")).to_be_visible()
        phone.look("log-missing")
        with phone.page.expect_download() as download:
            phone.page.get_by_role("button", name="Tải tệp bằng chứng").click()
        download.value.save_as(tmp_path / "evidence.json")
        _judge_evidence(parsed(tmp_path / "evidence.json"), node)

        phone.context.set_offline(True)
        phone.go(f"dossiers/{stream}")
        expect(phone.page.get_by_role("heading", name="Sổ của đơn vị không có hồ sơ này")).to_be_visible()
        phone.look("dossier-missing")
        phone.go("")
        expect(phone.page.get_by_text("Sổ của đơn vị không có")).to_be_visible()
        assert phone.faults == []
    finally:
        phone.context.close()


def _look_at_cosigned(phone: Phone, node: Any, stream: str, folder: Path) -> None:
    """The receipt's page once the district has cosigned: the words, the code a camera reads, the proof as a file."""
    page = phone.page
    phone.go(f"dossiers/{stream}/receipt")
    page.get_by_role("button", name="Kiểm tra lại ngay").click()
    expect(page.get_by_text("đã ký xác nhận lúc")).to_be_visible()
    phone.context.set_offline(True)
    phone.go(f"dossiers/{stream}")
    expect(page.get_by_text("đã ký xác nhận lúc")).to_be_visible()
    phone.context.set_offline(False)
    phone.go(f"dossiers/{stream}/receipt")
    phone.look("receipt-cosigned")
    page.screenshot(path=folder / "qr.png", full_page=True, caret="initial")
    [code] = zxingcpp.read_barcodes(Image.open(folder / "qr.png"))
    host = office_host(phone)
    receipt = verify_receipt(parse_receipt_url(code.text, host), key=node.signer.public_key, unit=node.unit)
    assert receipt.size > 0
    with page.expect_download() as download:
        page.get_by_role("button", name="Tải bằng chứng đầy đủ").click()
    download.value.save_as(folder / "proof.txt")
    text = (folder / "proof.txt").read_text(encoding="utf-8")
    assert text == node.receipt_desk.proof("sha256-" + base64url.encode(receipt.event))


def _desk_page(office: Any, stream: str) -> str:
    """The dossier's page as an official sees it."""
    cookies = office.official.post(
        "/api/session", {"token": office.official.person.token(office.official.audience)}
    ).cookies
    return str(office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text)


def office_host(phone: Phone) -> str:
    """The host that a receipt's address names where none is configured: the one the phone asked."""
    return phone.url.removeprefix("http://")


def _judge_evidence(evidence: Any, node: Any) -> None:
    """A receipt under the node's certificate, and a head of its log that is longer than the receipt's."""
    certificate = x509.load_der_x509_certificate(b64decode(evidence["node"]))
    url = evidence["url"]
    data = parse_receipt_url(url, url.removeprefix("https://").partition("/")[0])
    receipt = verify_receipt(data, key=certificate.public_key(), unit=node.unit)  # type: ignore[arg-type]  # P-256
    assert evidence["filing"]["_id"].endswith(base64url.encode(receipt.event))
    keys = [x509.load_der_x509_certificate(b64decode(each)).public_key() for each in evidence["log_certificates"]]
    known = [NoteKey(log_origin(node.unit), each) for each in keys]  # type: ignore[arg-type]  # Ed25519
    head = parse_checkpoint(verify_note(evidence["note"], known).text)
    assert evidence["standing"] == "missing"
    assert head.size >= receipt.size
    before = evidence["proof_before"]  # which the district had cosigned
    assert before.startswith("c2sp.org/tlog-proof@v1")
    assert "\u2014 12.h41.tram.internal/log " in before
