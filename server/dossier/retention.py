"""How long dossiers are kept: rules as data, with dates, sources and marks; what no rule knows a person must say.

    {"rules": [{"procedure": "1.001193", "years": 20, "from": "2022-01-01", "until": "2030-01-01",
                "source": "…", "mark": "V"}]}

`years` null is for ever. `procedure` "*" is for those without a rule of their own. `from` and `until` (not including)
say which closing days a rule is for. `mark` is as in the catalogue: how well the source was read. A period is counted
from the end of the year in which the dossier closed: never shorter than from the day itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from server.dossier import procedure
from server.dossier.checks import Wrong, line, listing, matching, members, one_of, refuse, text
from server.errors import Refused

_DATE = matching(r"\d{4}-\d{2}-\d{2}", "a date such as 2026-01-01")
_MAX_YEARS = 200


def _years(value: Any) -> None:
    if value is not None and (type(value) is not int or not 1 <= value <= _MAX_YEARS):
        raise Wrong(f"expected whole years from 1 to {_MAX_YEARS}, or null for ever")


_CODE = matching(procedure.CODE, "a procedure code such as 1.001193")


def _procedure(value: Any) -> None:
    if value != "*":
        _CODE(value)


_CHECK = members(
    {
        "rules": listing(
            members(
                {
                    "procedure": _procedure,
                    "years": _years,
                    "from": _DATE,
                    "source": text(500),
                    "mark": one_of("V", "C", "R"),
                },
                {"until": _DATE, "note": line(500)},
            ),
            2000,
        )
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `years` None is for ever; `until` None is without end."""

    procedure: str
    years: int | None
    begins: date
    until: date | None
    source: str
    mark: str

    def ends(self, closed: date) -> date | None:
        """Return the first day on which a dossier that closed on `closed` may be erased, None for never."""
        return None if self.years is None else date(closed.year + 1 + self.years, 1, 1)

    def words(self) -> str:
        """The rule as an erasure names it."""
        return f"{'vĩnh viễn' if self.years is None else f'{self.years} năm'} [{self.mark}] {self.source}"


def parse_rules(value: Any) -> tuple[Rule, ...]:
    """Return the rules in a JSON value. Raises `Refused("schema")` naming the place that is wrong."""
    try:
        _CHECK(value)
    except Wrong as wrong:
        raise refuse(wrong, "retention rules") from None
    try:
        return tuple(
            Rule(
                each["procedure"],
                each["years"],
                date.fromisoformat(each["from"]),
                date.fromisoformat(each["until"]) if "until" in each else None,
                each["source"],
                each["mark"],
            )
            for each in value["rules"]
        )
    except ValueError as exc:
        raise Refused("schema", f"retention rules: {exc}") from exc


def find_rule(rules: Sequence[Rule], code: str, closed: date) -> Rule | None:
    """Return the rule for a procedure's dossier that closed on a day: its own before that for all, the newest of
    several. None if no rule knows: then a person has to say by which one the time is over."""
    fitting = [
        rule
        for rule in rules
        if rule.procedure in (code, "*") and rule.begins <= closed and (rule.until is None or closed < rule.until)
    ]
    return max(fitting, key=lambda rule: (rule.procedure == code, rule.begins), default=None)
