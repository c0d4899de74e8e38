"""Selectors, order and plans, without a database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.mango.collation import compare, sort_key
from replication.mango.errors import MangoError
from replication.mango.etf import Atom, encode_term
from replication.mango.fields import MISSING, lookup, parse_field, project
from replication.mango.index import PRIMARY, build_name, parse_design, parse_index
from replication.mango.planner import NoUsableIndex, field_ranges, plan
from replication.mango.query import parse_query
from replication.mango.selector import fields_of, is_constant, missing_fields, normalize, parse_selector

DOC = {"_id": "d", "n": 5, "s": "abc", "l": [1, 2, {"k": 3}], "o": {"p": {"q": None}}, "t": True, "a.b": 1, "e": []}
MATCHES: list[dict[str, Any]] = [
    {},
    {"n": 5},
    {"n": {"$gt": 4, "$lte": 5}},
    {"n": {"$ne": 4}},
    {"n": {"$in": [1, 5]}},
    {"n": {"$nin": [1, 2]}},
    {"n": {"$mod": [3, 2]}},
    {"n": {"$not": {"$gt": 5}}},
    {"n": {"$type": "number"}},
    {"n": {"$lt": "a"}},
    {"s": {"$beginsWith": "ab"}},
    {"l": {"$size": 3}},
    {"l": {"$all": [2, 1]}},
    {"l": {"$all": [[1, 2, {"k": 3}]]}},
    {"l": {"$elemMatch": {"$gt": 1}}},
    {"l": {"$elemMatch": {"k": 3}}},
    {"l": {"$in": [2]}},
    {"l.2.k": 3},
    {"l.0": 1},
    {"o": {"p": {"q": None}}},
    {"o.p": {"$keyMapMatch": {"$eq": "q"}}},
    {"o.p.q": {"$exists": True}},
    {"zz": {"$exists": False}},
    {"a\\.b": 1},
    {"t": True},
    {"$or": [{"n": 1}, {"s": "abc"}]},
    {"$nor": [{"n": 1}, {"s": "x"}]},
    {"$not": {"n": 1}},
    {"$and": [{"n": 5}, {"$or": []}]},
    {"_id": {"$gt": None}},
    {"e": {"$size": 0}},
    {"n": {"$gt": None, "$lt": {}}},
]
MISSES: list[dict[str, Any]] = [
    {"n": 4},
    {"n": "5"},
    {"zz": {"$ne": 1}},
    {"zz": None},
    {"zz": {"$nin": [1]}},
    {"n": {"$in": []}},
    {"l": {"$all": []}},
    {"e": {"$allMatch": {"$gt": 0}}},
    {"l": {"$allMatch": {"$gt": 1}}},
    {"l.9": 1},
    {"t": 1},
    {"n": {"$mod": [3, 1]}},
    {"$nor": [{"n": 5}]},
    {"_id": {"$lt": {}}},
    {"s": {"$size": 3}},
    {"o": {"$elemMatch": {"$exists": True}}},
]


@pytest.mark.parametrize("selector", MATCHES, ids=str)
def test_a_selector_matches(selector: dict[str, Any]) -> None:
    """Each operator as CouchDB reads it."""
    assert parse_selector(selector).matches(DOC)


@pytest.mark.parametrize("selector", MISSES, ids=str)
def test_a_selector_does_not_match(selector: dict[str, Any]) -> None:
    """A field that is absent matches nothing but $exists: false."""
    assert not parse_selector(selector).matches(DOC)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ({"a": 1}, {"a": {"$eq": 1}}),
        ({"a": {"b": 1}}, {"a.b": {"$eq": 1}}),
        ({"a": 1, "b": 2}, {"$and": [{"a": {"$eq": 1}}, {"b": {"$eq": 2}}]}),
        ({"a": {"$gt": 1, "$lt": 5}}, {"$and": [{"a": {"$gt": 1}}, {"a": {"$lt": 5}}]}),
        ({"$not": {"a": {"$gt": 1}}}, {"a": {"$lte": 1}}),
        ({"$nor": [{"a": 1}, {"b": {"$in": [2]}}]}, {"$and": [{"a": {"$ne": 1}}, {"b": {"$nin": [2]}}]}),
        ({"$not": {"$or": [{"a": 1}, {"$not": {"b": 2}}]}}, {"$and": [{"a": {"$ne": 1}}, {"b": {"$eq": 2}}]}),
        ({"a": {"$not": {"$regex": "x"}}}, {"a": {"$not": {"$regex": "x"}}}),
        (
            {"a": {"$exists": True, "$not": {"$exists": True}}},
            {"$and": [{"a": {"$exists": True}}, {"a": {"$exists": False}}]},
        ),
        ({"a": {"$elemMatch": {"b": 1}}}, {"a": {"$elemMatch": {"b": {"$eq": 1}}}}),
    ],
)
def test_the_normal_form_is_couchdbs(written: dict[str, Any], normal: dict[str, Any]) -> None:
    """Conjunctions explicit, fields down, negations down: seen in _explain of CouchDB 3.5."""
    assert normalize(written) == normal


@pytest.mark.parametrize(
    ("selector", "error"),
    [
        ({"$foo": 1}, "invalid_operator"),
        ({"a": {"$and": 1}}, "bad_arg"),
        ({"a": {"$exists": 1}}, "bad_arg"),
        ({"a": {"$mod": [0, 1]}}, "bad_arg"),
        ({"a": {"$size": -1}}, "bad_arg"),
        ({"$near": 1}, "not_supported"),
        ({"": 1}, "invalid_selector"),
        ({"a..b": 1}, "invalid_field_name"),
        ([], "invalid_selector_json"),
    ],
)
def test_a_malformed_selector_is_named(selector: Any, error: str) -> None:
    """CouchDB's words."""
    with pytest.raises(MangoError) as refusal:
        parse_selector(selector)

    assert refusal.value.error == error


def test_a_selector_nested_without_end_is_refused() -> None:
    """Bounded before it can exhaust the stack."""
    deep: dict[str, Any] = {"a": 1}
    for _ in range(400):
        deep = {"$not": deep}

    with pytest.raises(MangoError, match="nested"):
        parse_selector(deep)


def test_values_sort_in_couchdbs_order() -> None:
    """null, false, true, numbers, strings, arrays, objects; strings as people read them."""
    values: list[Any] = [
        *(None, False, True, -1, 0, 1.5, 2, "", "1", "a", "A", "á", "aa", "b", "B", "d", "đ", "e", "Ω"),
        *([], ["a"], ["a", 1], ["b"], {}, {"a": 1}, {"a": 2}, {"a": 2, "b": 1}, {"b": 0}),
    ]

    assert sorted([*values[10:], *values[:10]], key=sort_key) == values


# What CouchDB 3.5.0 (ICU 72) answered for an index over these words.
COUCHDB_ORDER = """
    - (a) [a] #a + = ~ $a 1 10 1a 2 a A á Á à ă ắ ằ ẵ ẳ â ấ ầ ẫ ẩ ã ả ạ ặ ậ a_b a-b a,b a.b a1 ab aB Ab AB b B
    d D đ Đ da dang Dang đang Đặng dd e é ê ế ệ i í n ñ Nguyen nguyên Nguyên nguyễn Nguyễn nguyện o ó ô ố ö ø ơ ớ
    ss ß thon thôn Thôn u ú ư ứ xa xã Xã y ý z α Ω ж я ก 中 日
"""


def test_words_sort_as_in_couchdb() -> None:
    """Vietnamese with its marks, other alphabets, punctuation."""
    words = COUCHDB_ORDER.split()

    assert sorted(sorted(words), key=sort_key) == words


@given(st.lists(st.text(max_size=5), max_size=6))
def test_the_order_of_strings_is_total(texts: list[str]) -> None:
    """Equal only to itself up to normal form, and the same from both sides."""
    for left in texts:
        for right in texts:
            assert compare(left, right) == -compare(right, left)


def test_paths_walk_into_objects_and_arrays() -> None:
    """A projection keeps the nesting."""
    assert parse_field("a\\.b.c") == ("a.b", "c")
    assert lookup(DOC, ("l", "2", "k")) == 3
    assert lookup(DOC, ("l", "-1")) is MISSING
    assert lookup(DOC, ("s", "0")) is MISSING
    assert project(DOC, ["o.p.q", "n", "nope"]) == {"o": {"p": {"q": None}}, "n": 5}
    assert project(DOC, []) is DOC


def test_erlang_terms_are_encoded_as_erlang_does() -> None:
    """Bytes from `term_to_binary(…, [{minor_version, 1}])` of OTP 25."""
    assert encode_term({"a": [1, 300, -5]}).hex() == (
        "8368016c0000000168026d00000001616c000000036101620000012c62fffffffb6a6a"
    )
    assert encode_term([1, 2]) == b"\x83k\x00\x02\x01\x02"
    assert encode_term((Atom("x"), None, 1.5)) == b"\x83h\x03d\x00\x01xd\x00\x04nullF?\xf8\x00\x00\x00\x00\x00\x00"
    assert encode_term(12345678901) == b"\x83n\x05\x00\x35\x1c\xdc\xdf\x02"


def test_unnamed_indexes_get_couchdbs_names() -> None:
    """Names CouchDB 3.5.0 gave for these definitions."""
    assert build_name({"fields": ["a"]}, None, None, 2) == "7095fd2321a986309496ad2ac9c3498246175757"
    index = parse_index({"index": {"fields": ["a"]}, "ddoc": "x"})
    assert index.ddoc == "_design/x"
    assert index.name != "7095fd2321a986309496ad2ac9c3498246175757"  # the design document is part of what is hashed


def test_conditions_that_exclude_one_another_leave_no_range() -> None:
    """Such a query is answered without reading anything."""
    ranges = field_ranges(normalize({"a": {"$gt": 5, "$lt": 3}, "b": {"$gte": 2, "$lte": 2}}))

    assert ranges["a"] is None
    assert ranges["b"] is not None


def test_what_an_index_needs_of_a_selector() -> None:
    """An index lists only documents with all its fields, so the selector must ask for each."""
    tree = normalize({"a": 1, "$or": [{"b": 1}, {"b": 2, "c": 3}], "d": {"$exists": False}})

    assert missing_fields(tree, frozenset("abcd")) == {"c", "d"}
    assert fields_of(tree) == ["a", "b", "b", "c", "d"]
    assert is_constant(tree, "a")
    assert not is_constant(tree, "b")


def test_the_planner_prefers_overlap_then_few_columns_then_the_alphabet() -> None:
    """CouchDB's choice among several that serve."""
    views = {
        name: {"map": {"fields": dict.fromkeys(fields, "asc")}}
        for name, fields in {"z-a": "a", "y-ab": "ab", "x-ba": "ba", "b": "b", "a": "a"}.items()
    }
    indexes = [PRIMARY, *parse_design("_design/d", {"language": "query", "views": views})]

    def choose(selector: dict[str, Any], **options: Any) -> str:
        return plan(parse_query({"selector": selector, **options}), indexes).index.name

    assert choose({"a": 1}) == "a"
    assert choose({"a": 1, "b": 2}) == "x-ba"
    assert choose({"c": 1}) == "_all_docs"
    assert choose({"a": {"$gt": 1}, "b": {"$gt": 1}}, sort=["a", "b"]) == "y-ab"
    assert choose({"a": 1, "b": {"$gt": 2}}, sort=["b"]) in {"y-ab", "b", "x-ba"}
    assert choose({"a": 1}, use_index=["d", "z-a"]) == "z-a"
    with pytest.raises(NoUsableIndex):
        choose({"a": 1}, sort=["c"])
