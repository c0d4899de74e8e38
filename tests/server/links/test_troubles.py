"""Every error a link can meet has a sentence of its own that says what happens next."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from replication import errors
from replication.errors import LinkCut, NotAPeer, StoreError
from replication.peers import Busy, Endpoint
from replication.replicator.wire import SetBack, explain
from server.links.troubles import TROUBLES, explain_trouble

ROOT = Path(__file__).resolve().parents[3]


def _store_errors():
    found = [StoreError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in dict.fromkeys(found) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", _store_errors(), ids=lambda kind: kind.__name__)
def test_every_refusal_of_a_peer_has_a_sentence(kind: type[StoreError]) -> None:
    """No answer of a peer ends as a bare number on the desk."""
    trouble = explain_trouble(explain(kind("x")))

    assert trouble.word not in ("other", "not_a_node", "cut")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (explain(Busy("too many requests", 30.0)), "busy"),
        ("http://tinh.example: the token's clock is -86400 s from ours; make the token by it", "clock"),
        ("http://tinh.example: this token does not hold: certificate x is not known here", "not_believed"),
        ("cannot reach tinh.example:443: Name or service not known", "dns"),
        ("cannot reach tinh.example:443: Temporary failure in name resolution", "dns"),
        ("cannot reach 10.0.0.1:8080: Connection refused", "unreachable"),
        ("cannot reach 10.0.0.1:8080: timed out", "unreachable"),
        ("10.0.0.1:443 does not prove to be the peer: CERTIFICATE_VERIFY_FAILED", "stranger"),
        ("10.0.0.1:443 does not prove to be the peer: certificate has expired", "certificate_time"),
        ("the answer redirects to http://login.wifi; a login page of the network may be in the way", "portal"),
        ("a web page came instead of the peer's answer (status 200)", "portal"),
        ("no byte moved for 20 s while an answer was due", "stalled"),
        (str(SetBack(Endpoint("http://10.0.0.1:8080/db"))), "anew"),
        ("http://10.0.0.1 answers 500: Internal Server Error", "fault"),
        ("Connection reset by peer", "cut"),
        ("10.0.0.1:443 broke off while greeting: the peer ended the connection", "cut"),
        ("gave up the connection: what came is no TLS (WRONG_VERSION_NUMBER)", "cut"),
        ("the peer answered 507 insufficient_storage: no room", "full"),
        ("this machine could not note how far the pair has got: no space left on this disk", "note"),
    ],
)
def test_known_troubles_are_told_apart(error: str, word: str) -> None:
    """A captive portal, a name that is not found, a wrong clock and a busy peer need different hands."""
    assert explain_trouble(error).word == word


def _raised_texts():
    """Texts with which our own code raises LinkCut and NotAPeer, placeholders as "x"."""
    files = [*sorted((ROOT / "replication" / "peers").glob("*.py")), ROOT / "server" / "links" / "meeting.py"]
    names = (LinkCut.__name__, NotAPeer.__name__)
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in names:
                continue
            if node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                yield _text(node.args[0])


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


def test_every_message_of_the_program_is_sorted() -> None:
    """A message that is added to the peers without a sentence for people is found here."""
    texts = list(_raised_texts())

    assert len(texts) > 30
    assert [text for text in texts if explain_trouble(text).word == "other"] == []


def test_every_sentence_is_there_in_both_languages_and_ends() -> None:
    """What it is, and what happens next."""
    for trouble in TROUBLES.values():
        for text in (trouble.said, trouble.next):
            assert text.vi.endswith(".")
            assert text.en.endswith(".")
            assert text.vi != text.en
