"""One administrative procedure as data: what `procedure.published` carries and `server/data/procedures/` holds.

    {"v": 1, "code": "1.001193", "name": {"vi", "en"}, "field": {"id", "vi", "en"}, "agency_level": "commune",
     "route": "local", "level": "TOAN_TRINH", "mobile": false, "one_visit": false,
     "time": {"kind": "same_day", "cutoff": "15:00", "text": {"vi", "en"}},
     "fee": {"text": {"vi", "en"}}, "components": [{…}], "form": {"pages": [{…}], "fields": [{…}]},
     "lists": {"ethnic_groups": [{"value", "vi", "en"}]},
     "marks": {"name": {"mark": "V", "source": "VB"}, …}, "effective_from": "2025-07-01"}

`marks` says for each value where it was read: V in a named public page or data copy, C in third-party material, R
recalled and to be checked before it is printed on a legal form. A field of the form belongs to one page, so that a
phone can show one thing at a time; `when` hides it until another field has one of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crypto import jcs
from server.dossier.checks import (
    Wrong,
    characters,
    day,
    flag,
    line,
    listing,
    matching,
    members,
    one_of,
    refuse,
    shown,
    table,
    text,
    whole,
)
from server.dossier.states import Text

CODE: Final = r"[0-9]\.[0-9]{6}"
_ID = r"[a-z][a-z0-9_]{0,63}"
_PART = r"[a-z0-9][a-z0-9._-]{0,63}"
MARKED: Final = ("name", "field", "level", "time", "fee", "components", "form")

_TIME_KINDS_WITH_COUNT = frozenset({"working_days", "calendar_days", "months"})


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How long a procedure takes. `kind`: same_day, working_days, calendar_days, months, or none (no fixed time).

    `count` is the number of units; `mountain_count` replaces it in communes of difficult areas, `verification_count`
    is what an inquiry elsewhere may add; 0 where there is none. `cutoff` ("15:00") is for same_day.
    """

    kind: str
    count: int
    cutoff: str
    mountain_count: int
    verification_count: int
    text: Text


@dataclass(frozen=True, slots=True)
class Component:
    """A paper that belongs to a dossier. `copy` is original, copy or either; `present`: it is shown, not handed in."""

    id: str
    name: Text
    required: bool
    copy: str
    present: bool
    condition: Text | None


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure as it holds from `effective_from` (a date); `value` is the JSON object with everything."""

    code: str
    name: Text
    field: Text
    level: str
    time: TimeRule
    fee: Text
    components: tuple[Component, ...]
    effective_from: str
    effective_until: str
    value: Mapping[str, Any]

    def required_parts(self) -> tuple[str, ...]:
        """The ids of the papers nobody can do without."""
        return tuple(c.id for c in self.components if c.required and not c.present)

    def labels(self) -> dict[str, Text]:
        """The label of each field of the form, by its id, in the order of the form."""
        return {f["id"]: _text(f["label"]) for f in self.value["form"]["fields"]}


def parse_procedure(value: Any) -> Procedure:
    """Return the procedure in a JSON object. Raises `Refused("schema")` naming the member that is wrong."""
    try:
        check(value)
        characters(value, jcs.canonical(value))
    except Wrong as wrong:
        raise refuse(wrong, "procedure") from None
    time = value["time"]
    return Procedure(
        value["code"],
        _text(value["name"]),
        _text(value["field"]),
        value["level"],
        TimeRule(
            time["kind"],
            time.get("count", 0),
            time.get("cutoff", ""),
            time.get("mountain_count", 0),
            time.get("verification_count", 0),
            _text(time["text"]),
        ),
        _text(value["fee"]["text"]),
        tuple(_component(item) for item in value["components"]),
        value["effective_from"],
        value.get("effective_until", ""),
        value,
    )


def check(value: Any) -> None:
    """Check the JSON object of a procedure: the form, and that what refers to another part finds it."""
    _SHAPE(value)
    _check_time(value["time"])
    _check_form(value)
    _check_unique([c["id"] for c in value["components"]], "components")
    for name in MARKED:
        if name not in value["marks"]:
            raise Wrong("it is missing; say where the value was read", place=f"marks.{name}")


def _check_time(time: Mapping[str, Any]) -> None:
    counted = time["kind"] in _TIME_KINDS_WITH_COUNT
    if counted != ("count" in time):
        raise Wrong(f"kind {time['kind']} {'needs' if counted else 'has no'} count", place="time.count")
    if (time["kind"] == "same_day") != ("cutoff" in time):
        raise Wrong("cutoff belongs to same_day and to nothing else", place="time.cutoff")


def _check_form(value: Mapping[str, Any]) -> None:
    pages = [page["id"] for page in value["form"]["pages"]]
    _check_unique(pages, "form.pages")
    fields = value["form"]["fields"]
    _check_unique([f["id"] for f in fields], "form.fields")
    seen: set[str] = set()
    for i, field in enumerate(fields):
        complaint = _complaint_about(field, pages, seen, value.get("lists", {}))
        if complaint:
            raise Wrong(complaint, place=f"form.fields[{i}]")
        seen.add(field["id"])


def _complaint_about(field: Mapping[str, Any], pages: list[str], seen: set[str], lists: Mapping[str, Any]) -> str:
    if field["page"] not in pages:
        return f"page {shown(field['page'])} is not one of the form's pages"
    if (field["type"] == "select") != ("options" in field or "options_list" in field):
        return "a select has options or an options_list, and nothing else has"
    if "options_list" in field and field["options_list"] not in lists:
        return f"options_list {shown(field['options_list'])} is not one of the lists"
    if "when" in field and field["when"]["field"] not in seen:
        return "when refers to a field that does not come before this one"
    return ""


def _check_unique(ids: list[str], place: str) -> None:
    if len(set(ids)) != len(ids):
        raise Wrong("two have the same id", place=place)


def _version(value: Any) -> None:
    if type(value) is not int or value != 1:
        raise Wrong(f"got {shown(value)}, this program reads version 1; update it")


def _text(value: Mapping[str, str]) -> Text:
    return Text(value["vi"], value["en"])


def _component(value: Mapping[str, Any]) -> Component:
    condition = _text(value["condition"]) if "condition" in value else None
    name = _text(value["name"])
    return Component(value["id"], name, value["required"], value["copy"], value.get("present", False), condition)


_both = members({"vi": text(2000), "en": text(2000)})
_option = members({"value": line(100), "vi": line(200), "en": line(200)})
_options = listing(_option, 400, least=1)
_mark = members({"mark": one_of("V", "C", "R"), "source": line(300)}, {"note": text(1000)})
_count = whole(1, 400)

_TIME = members(
    {"kind": one_of("same_day", "working_days", "calendar_days", "months", "none"), "text": _both},
    {
        "count": _count,
        "cutoff": matching(r"[0-2][0-9]:[0-5][0-9]", 'a time of day such as "15:00"'),
        "mountain_count": _count,
        "verification_count": _count,
    },
)
_COMPONENT = members(
    {
        "id": matching(_PART, "small letters, digits, dots and dashes, such as giay-chung-sinh"),
        "name": _both,
        "required": flag,
        "copy": one_of("original", "copy", "either"),
    },
    {"present": flag, "condition": _both},
)
_FIELD = members(
    {
        "id": matching(_ID, "small letters, digits and underscores"),
        "page": matching(_ID, "the id of a page"),
        "label": _both,
        "type": one_of("text", "date", "select", "id_number", "phone", "textarea"),
        "required": flag,
    },
    {
        "help": _both,
        "options": _options,
        "options_list": matching(_ID, "the name of a list"),
        "when": members({"field": matching(_ID, "the id of a field"), "is": listing(line(100), 50, least=1)}),
    },
)
_PAGE = members({"id": matching(_ID, "small letters, digits and underscores"), "title": _both}, {"help": _both})

_SHAPE: Final = members(
    {
        "v": _version,
        "code": matching(CODE, "a procedure code such as 1.001193"),
        "name": _both,
        "field": members({"id": matching(_ID, "an id"), "vi": line(200), "en": line(200)}),
        "agency_level": one_of("commune", "district", "province", "ministry"),
        "route": one_of("local", "province", "ministry"),
        "level": one_of("TOAN_TRINH", "MOT_PHAN", "KHONG"),
        "mobile": flag,
        "one_visit": flag,
        "time": _TIME,
        "fee": members({"text": _both}),
        "components": listing(_COMPONENT, 60, least=1),
        "form": members({"pages": listing(_PAGE, 40, least=1), "fields": listing(_FIELD, 200, least=1)}),
        "marks": table(_ID, _mark, 20),
        "effective_from": day,
    },
    {"effective_until": day, "lists": table(_ID, _options, 10), "aliases": listing(line(200), 20)},
)
