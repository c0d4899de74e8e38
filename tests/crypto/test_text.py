"""What people see is what was signed: one spelling, nothing hidden, nothing turned round."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crypto import jcs, text
from crypto.errors import Malformed

CLEAN = ["Nguyễn Thị Ánh", "Đặng Văn Ư", "H'Mông: Lầu A Páo", "hoà / hòa", "giấy 👍.jpg", "", "constructor", "_đệm"]


@pytest.mark.parametrize("value", CLEAN)
def test_vietnamese_names_in_nfc_pass(value: str) -> None:
    """Names of people in the mountains, both placements of the tone mark."""
    assert text.check_text(value, name=True) == value


def test_an_nfd_twin_of_a_name_is_refused() -> None:
    """The same name in decomposed letters looks alike and is signed differently."""
    twin = unicodedata.normalize("NFD", "Nguyễn Thị Ánh")

    assert not text.is_nfc(twin)
    with pytest.raises(Malformed, match="NFC"):
        text.check_text(twin, name=False)


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
HIDING = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\U000e0041"
CONTROL = "\x00\x01\x0b\r\x1b\x7f\x85\u2028\u2029"


@pytest.mark.parametrize("character", TURNING + HIDING + CONTROL)
def test_characters_that_hide_or_turn_text_are_refused_and_named(character: str) -> None:
    """Bidirectional controls, zero width, tags and control characters, with place and code point in the message."""
    for name in (True, False):
        with pytest.raises(Malformed, match=f"U\\+{ord(character):04X}.*at character 1"):
            text.check_text(f"a{character}fdp.exe", name=name)


def test_lines_and_tabs_belong_to_running_text_only() -> None:
    """A note may have paragraphs; a name is one line."""
    assert text.check_text("dòng 1\n\tdòng 2", name=False)
    for value in ("Lò\nVăn A", "Lò\tVăn A"):
        with pytest.raises(Malformed):
            text.check_text(value, name=True)


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype", "_id", "_", "a\u200b", "e\u0301", "a\n"])
def test_member_names_that_attack_readers_are_refused(key: str) -> None:
    """JavaScript's object traps, CouchDB's underscore, and names that look like another."""
    with pytest.raises(Malformed):
        text.check_value({"ok": [{key: 1}]})


_sometimes_bad = st.text(
    st.sampled_from([*'ab_ \n\t"\\\x00\x7f\x9f\u200b\u202ee\u0301\u0323\u1ebfnđ\U0001f600']), max_size=6
)
_keys = _sometimes_bad | st.sampled_from(["constructor", "prototype", "__proto__", "ok"])


@given(
    st.recursive(_sometimes_bad, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3))
)
@example("\x7f")
@example(["\u1ebf\x9f"])
@example({"a\n": "b"})
@example("n\n\u0303")
def test_the_quick_check_says_what_the_slow_one_says(value: object) -> None:
    """Screening the canonical text finds exactly the values that walking them finds."""
    assert _refused(lambda: text.check_canonical(jcs.canonical(value), value)) == _refused(
        lambda: text.check_value(value)
    )


def _refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except Malformed:
        return True
    return False
