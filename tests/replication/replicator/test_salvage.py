"""An answer torn by a cut is kept as far as it is whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.document import DocId, Rev
from replication.errors import LinkCut
from replication.peers import Endpoint, HttpPeer
from replication.peers.channel import Broken, Exchange
from replication.peers.pending import Pending, Promise
from replication.peers.salvage import whole_rows
from replication.peers.wire import Part
from replication.store import ZERO

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=5), st.data())
def test_whole_rows_are_a_beginning_of_what_was_sent(rows: list[object], data: st.DataObject) -> None:
    """Wherever the text is torn: no row is invented, none that came whole is lost, big numbers are exact."""
    texts = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    whole = b'{"results":[\n' + b",\n".join(texts) + b"\n]}"
    cut = data.draw(st.integers(0, len(whole)))

    kept = whole_rows(whole[:cut])

    assert kept == rows[: len(kept)]
    ends = [13 + sum(len(text) + 2 for text in texts[:number]) - 2 for number in range(1, len(texts) + 1)]
    assert len(kept) == sum(1 for end in ends if end <= cut)


def torn_feed(monkeypatch: pytest.MonkeyPatch, body: bytes) -> HttpPeer:
    """Return a peer whose answers all break off after `body`."""
    endpoint = Endpoint("http://127.0.0.1:9")
    promise: Promise[Exchange] = Promise()
    promise.break_with(Broken("cut", part=Part(body, len(body))))

    def request(*_args: object, **_options: object) -> Pending[Exchange]:
        return promise

    monkeypatch.setattr(endpoint, "request", request)
    return HttpPeer(endpoint, "far")


def test_a_torn_feed_goes_on_behind_the_last_row_that_has_a_seq(monkeypatch: pytest.MonkeyPatch) -> None:
    """CouchDB gives one row in four a seq: rows behind the last of them are read again."""
    rows = [
        {"seq": seq, "id": name, "changes": [{"rev": "1-0a"}], "doc": {"_id": name, "_rev": "1-0a", "n": 2**70}}
        for seq, name in (("1-x", "a"), (None, "b"), ("3-x", "c"), (None, "d"))
    ]
    body = b'{"results":[' + b",".join(json.dumps(row).encode() for row in rows) + b',{"seq":"5-x","id":"e'

    answer = torn_feed(monkeypatch, body).feed(ZERO, 100, docs=True).result()

    assert answer.torn
    assert [row.id for row in answer.page.rows] == ["a", "b", "c"]
    assert (answer.page.last_seq, answer.page.pending > 0) == ("3-x", True)
    assert answer.docs[DocId("a"), Rev("1-0a")].body == b'{"n":%d}' % 2**70


def test_a_feed_torn_before_its_first_seq_is_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be kept, so nothing is."""
    row = b'{"seq":null,"id":"a","changes":[{"rev":"1-0a"}]}'
    with pytest.raises(LinkCut):
        torn_feed(monkeypatch, b'{"results":[' + row + b",").feed(ZERO, 100, docs=True).result()
