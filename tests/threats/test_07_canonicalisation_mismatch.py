"""Threat 7: two readings of one signed text. Whatever is not in the one canonical form is refused, never mended."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import orjson
import pytest

from crypto import algorithms, base64url
from crypto.hashing import rev_of, sha256_id
from replication.document import DocId, Rev


def _signed_as_written(person, envelope, event_text):
    """A document whose signature is good over exactly `event_text`, however it is written; its name fits as well."""
    payload = event_text.encode()
    entry = envelope["signatures"][0]
    signing_input = f"{entry['protected']}.{base64url.encode(payload)}".encode()
    entry = entry | {"signature": base64url.encode(algorithms.sign_es256(person.key, signing_input))}
    body = b'{"event":' + payload + b',"signatures":' + orjson.dumps([entry]) + b"}"
    stream = envelope["event"]["stream"]
    return body, DocId(f"{stream}:{sha256_id(payload)}"), Rev(rev_of(payload))


@pytest.fixture
def offer(commune, citizen, helpers):
    """Offers an event whose text was written by `write(canonical text)`; returns the answer."""

    def run(write):
        from crypto import jcs

        envelope = citizen.envelope(helpers.submission(commune.home.unit, citizen))
        canonical = jcs.canonical(envelope["event"]).decode()
        text = write(canonical)
        assert write is as_it_is or text != canonical
        body, doc_id, rev = _signed_as_written(citizen, envelope, text)
        good = citizen.sign(envelope["event"])
        return commune.put(replace(good, id=doc_id, rev=rev, body=body, path=()))

    return run


def as_it_is(text):
    return text


# What a program that is less strict would take for the same event, or for another; each with the word it is refused by.
MISREADINGS = {
    "a member twice": (
        "malformed",
        lambda t: t.replace('"delivery":"counter"', '"delivery":"counter","delivery":"post"'),
    ),
    "1.0 for 1": ("malformed", lambda t: t.replace('"v":1', '"v":1.0')),
    "1e0 for 1": ("malformed", lambda t: t.replace('"v":1', '"v":1e0')),
    "a number JavaScript rounds": ("malformed", lambda t: t.replace('"v":1', '"v":9007199254740993')),
    "NaN": ("malformed", lambda t: t.replace('"v":1', '"v":NaN')),
    "names in another order": ("bad_id", lambda t: orjson.dumps(dict(reversed(orjson.loads(t).items()))).decode()),
    "white space": ("bad_id", lambda t: t.replace(":", ": ", 1)),
    "an escape for a letter": ("bad_id", lambda t: t.replace("counter", "co\\u0075nter", 1)),
    "decomposed letters": ("not_nfc", lambda t: unicodedata.normalize("NFD", t)),
    "a byte order mark": ("malformed", lambda t: "\ufeff" + t),
    "a letter that turns the line": ("bad_text", lambda t: t.replace("Nguyễn", "Nguyễn\u202e", 1)),
    "a letter of no width": ("bad_text", lambda t: t.replace("Nguyễn", "Nguyễn\u200b", 1)),
    "a lone surrogate": ("malformed", lambda t: t.replace("Nguyễn", "\\ud800", 1)),
    "a prototype": ("schema", lambda t: t.replace('"form":{', '"form":{"__proto__":"x",', 1)),
}


def test_the_canonical_text_itself_is_taken(offer):
    """The road the others take is open: what they are refused for is their text alone."""
    assert offer(as_it_is) == ""


@pytest.mark.parametrize("how", MISREADINGS)
def test_another_spelling_is_refused_though_its_signature_is_good(offer, how):
    """Signed over the very bytes, named by their hash, and still refused: two programs could read it differently."""
    word, write = MISREADINGS[how]

    refusal = offer(write)

    assert refusal.partition(":")[0] == word, refusal


def test_amount_twice_is_not_the_last_amount(offer):
    """{"amount":"1","amount":"100"}: the classic. Neither is believed."""
    assert offer(lambda t: t.replace('"form":{', '"form":{"so_tien":"1","so_tien":"100",', 1)).startswith("malformed")
