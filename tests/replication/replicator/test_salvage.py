"""An answer torn by a cut is kept as far as it is whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from replication.peers.salvage import whole_rows

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
