"""Base64url has one spelling for each byte string, and no other is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import base64url
from crypto.errors import Malformed


@given(st.binary(max_size=200))
def test_what_was_encoded_decodes_to_the_same_bytes(data: bytes) -> None:
    """Round trip, without padding and inside the URL alphabet."""
    text = base64url.encode(data)

    assert base64url.decode(text) == data
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(alphabet="AQgw-_+/=\n é", max_size=12))
def test_text_is_either_the_spelling_of_its_bytes_or_refused(text: str) -> None:
    """There is no second text for the same bytes, so signatures cannot be respelled."""
    try:
        data = base64url.decode(text)
    except Malformed:
        return
    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    "text", ["QQ==", "QQ=", "QR", "Q", "QUJD\n", " QUJD", "Q+/D", "QU#JD", "QUJDR", "Ｑ", "QUJD====", "\ud800"]
)
def test_padding_left_over_bits_and_stray_characters_are_refused(text: str) -> None:
    """The standard decoder lets most of these pass; ours names them malformed."""
    with pytest.raises(Malformed, match="base64url"):
        base64url.decode(text)
