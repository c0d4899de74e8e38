"""The data that ships with the program: sample catalogue, calendars, the demo tree of units. Read only, no rules here.

It is what a province starts from and replaces: `procedure.published` and `calendar.published` events in `registry`
supersede it from their dates on. Every legal value carries its mark (V read in a public source, C in third-party
material, R recalled, to be checked) and its source; `sources` says what the source words stand for.

This is the one module of the domain that reads files, through importlib.resources, so that it also works from a zip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from server.dossier.calendar import Calendar, YearTable, build_calendar, parse_year
from server.dossier.procedure import Procedure, parse_procedure


@dataclass(frozen=True, slots=True)
class SampleUnit:
    """A unit of the demo tree; its name is invented. `difficult_area` is the commune attribute `vung_kho_khan`."""

    code: str
    name: str
    tier: str
    parent: str
    difficult_area: bool


@cache
def procedures() -> tuple[Procedure, ...]:
    """Return the sample catalogue, by code."""
    return tuple(parse_procedure(body) for body in procedure_bodies())


@cache
def procedure_bodies() -> tuple[Mapping[str, Any], ...]:
    """Return the bodies of the `procedure.published` events of the sample catalogue, by code.

    Lists that a form refers to and does not bring are put in from `lists.json`, so that each body stands alone.
    """
    return tuple(_with_lists(_json(item)) for item in _folder("procedures"))


def procedure(code: str) -> Procedure | None:
    """Return a procedure of the sample catalogue, None if it has no such code."""
    return next((p for p in procedures() if p.code == code), None)


@cache
def calendar_bodies() -> tuple[Mapping[str, Any], ...]:
    """Return the bodies of the `calendar.published` events, by year."""
    return tuple(_json(item) for item in _folder("calendars"))


@cache
def calendar_years() -> tuple[YearTable, ...]:
    """Return the tables of special days, by year."""
    return tuple(parse_year(body) for body in calendar_bodies())


@cache
def calendar() -> Calendar:
    """Return the working calendar of all years that ship with the program."""
    return build_calendar(calendar_years())


@cache
def units() -> tuple[SampleUnit, ...]:
    """Return the demo tree, root first. Codes are real in form, names are invented and say so."""
    return tuple(
        SampleUnit(u["code"], u["name"], u["tier"], u.get("parent", ""), u.get("difficult_area", False))
        for u in _json(files(__name__) / "units.json")["units"]
    )


@cache
def sources() -> Mapping[str, str]:
    """Return what the source words of the data stand for."""
    found: dict[str, str] = _json(files(__name__) / "sources.json")
    return found


def _with_lists(body: dict[str, Any]) -> dict[str, Any]:
    wanted = {f["options_list"] for f in body["form"]["fields"] if "options_list" in f} - set(body.get("lists", {}))
    if wanted:
        body["lists"] = body.get("lists", {}) | {name: _lists()[name] for name in sorted(wanted)}
    return body


@cache
def _lists() -> Mapping[str, Any]:
    found: dict[str, Any] = _json(files(__name__) / "lists.json")
    return {name: entry["options"] for name, entry in found.items()}


def _folder(name: str) -> list[Traversable]:
    items = (files(__name__) / name).iterdir()
    return sorted((item for item in items if item.name.endswith(".json")), key=lambda item: item.name)


def _json(item: Traversable) -> Any:
    return json.loads(item.read_text(encoding="utf-8"))


def retention() -> Any:
    """Return the retention rules that come with the program, as `server.dossier.retention` parses them."""
    return _json(files(__name__) / "retention.json")
