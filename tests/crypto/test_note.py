"""Signed notes and checkpoints are those of C2SP, read to the letter."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto import merkle, note
from crypto.errors import BadProof, BadSignature, Malformed, TooLarge

LOG = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
ORIGIN = "03.12.h41.tram.internal/log"
LOG_KEY = note.NoteKey(ORIGIN, LOG.public_key())
WITNESS_KEY = note.NoteKey("12.h41.tram.internal/witness", WITNESS.public_key(), note.COSIGNATURE_V1)
HEAD = note.Checkpoint(ORIGIN, 3, merkle.root([merkle.leaf_hash(b"a")] * 3))


def signed() -> str:
    return note.sign_note(HEAD.to_text(), name=ORIGIN, key=LOG)


def test_the_example_of_the_go_note_package_verifies() -> None:
    """Key and note from the documentation of golang.org/x/mod/sumdb/note, from which C2SP took the format."""
    key = b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    blob = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
    blob += "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    neumann = note.NoteKey("PeterNeumann", Ed25519PublicKey.from_public_bytes(key[1:]))

    assert neumann.id.hex() == "c74f20a3"
    assert note.verify_note(f"{text}\n\u2014 PeterNeumann {blob}\n", [neumann]) == note.VerifiedNote(
        text, {"PeterNeumann": 0}
    )


def test_a_checkpoint_survives_signing_and_cosigning() -> None:
    """The log signs, the witness adds its time; both are proven, and the head comes back."""
    both = note.cosign_note(signed(), name=WITNESS_KEY.name, key=WITNESS, time_s=1780279384)

    verified = note.verify_note(both, [LOG_KEY, WITNESS_KEY])

    assert note.parse_checkpoint(verified.text) == HEAD
    assert verified.signers == {ORIGIN: 0, WITNESS_KEY.name: 1780279384}
    assert note.verify_note(both, [WITNESS_KEY]).signers == {WITNESS_KEY.name: 1780279384}


def test_a_note_is_proven_by_known_keys_only() -> None:
    """No key, a stranger's key, the right name over another key: nothing is proven."""
    stranger = note.NoteKey(ORIGIN, WITNESS.public_key())
    for keys in ([], [stranger], [WITNESS_KEY], [note.NoteKey("other", LOG.public_key())]):
        with pytest.raises(BadProof):
            note.verify_note(signed(), keys)


def test_a_changed_note_is_refused() -> None:
    """Another size under the same signature; a cosignature whose time was moved."""
    with pytest.raises(BadSignature):
        note.verify_note(signed().replace("\n3\n", "\n4\n"), [LOG_KEY])
    both = note.cosign_note(signed(), name=WITNESS_KEY.name, key=WITNESS, time_s=7)
    head, _, last = both[:-1].rpartition(" ")
    data = bytearray(b64decode(last))
    data[11] += 1  # the last byte of the time, after 4 bytes of key id
    with pytest.raises(BadSignature):
        note.verify_note(f"{head} {b64encode(data).decode()}\n", [LOG_KEY, WITNESS_KEY])


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nnot a signature line\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 name AAAAAAAA",
        "text\n\n\u2014 name AAAAAAA=\ngarbage\n",
        "text\n\n\u2014 na me AAAAAAA=\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAB=\n",
        "te\rxt\n\n\u2014 name AAAAAAAA\n",
        "te\ud800xt\n\n\u2014 name AAAAAAAA\n",
    ],
)
def test_what_is_no_note_to_the_letter_is_refused(broken: str) -> None:
    """Garbage lines are not skipped, base64 has one spelling, control characters are out."""
    with pytest.raises(Malformed):
        note.verify_note(broken, [LOG_KEY])


def test_a_note_may_contain_empty_lines_and_is_bounded() -> None:
    """The last empty line ends the text; size and number of signatures have limits."""
    text = "a\n\nb\n"
    assert note.verify_note(note.sign_note(text, name=ORIGIN, key=LOG), [LOG_KEY]).text == text
    with pytest.raises(TooLarge):
        note.verify_note("x" * 70_000, [LOG_KEY])
    with pytest.raises(TooLarge):
        note.verify_note("t\n\n" + "\u2014 name AAAAAAAA\n" * 101, [LOG_KEY])
    with pytest.raises(Malformed):
        note.sign_note("no newline", name=ORIGIN, key=LOG)
    with pytest.raises(Malformed):
        note.sign_note(text, name="two words", key=LOG)


@pytest.mark.parametrize(
    "text", ["o\n1\n", "o\n01\nAAAA\n", "o\n-1\nAAAA\n", "o\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n", "o\n1\nAA==\n\n"]
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Missing lines, odd numbers, short hashes, empty lines."""
    with pytest.raises(Malformed):
        note.parse_checkpoint(text)
