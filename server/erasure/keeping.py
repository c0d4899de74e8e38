"""Until when closed dossiers are kept: the rules a home has, and what they say of each dossier.

over       a rule says that its time is over
unknown    no rule knows its procedure: a person has to say by which one, and since when
kept       a rule says that it is kept longer, or for ever
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

from crypto import strictjson
from crypto.errors import CryptoError
from server import data
from server.dossier.retention import Rule, find_rule, parse_rules
from server.dossier.states import REFUSED, RETURNED, STOPPED, WITHDRAWN
from server.dossier.times import parse_time
from server.errors import Refused
from server.home import Home, read_bounded
from server.readmodel.closings import Closing
from server.readmodel.model import ReadModel
from server.readmodel.queries import MOST_ROWS, DossierRow

Word = Literal["over", "unknown", "kept"]
WORDS: Final[tuple[Word, ...]] = ("over", "unknown", "kept")
CLOSED: Final = (REFUSED, WITHDRAWN, STOPPED, RETURNED)
RULES_FILE: Final = "retention.json"
_MAX_RULES_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A closed dossier. `rule` None: no rule knows how long it is kept. `ends` None: for ever, or not known."""

    row: DossierRow
    closed: date
    rule: Rule | None
    ends: date | None

    def is_over(self, today: date) -> bool:
        """Say whether a rule says that its time is over."""
        return self.ends is not None and self.ends <= today


class Keeping:
    """What the rules say of the closed dossiers of one unit."""

    def __init__(self, home: Home, model: ReadModel) -> None:
        self._home = home
        self._model = model
        self._judged: tuple[object, tuple[object, ...], list[tuple[Word, Closing]]] | None = None

    def rules(self) -> tuple[Rule, ...]:
        """Return the retention rules: the home's own file if there is one, else those of the program. Raises
        `Refused`."""
        path = self._home.path / RULES_FILE
        return read_rules(path) if path.exists() else parse_rules(data.retention())

    def judge(self, row: DossierRow) -> Kept:
        """Return what the rules say of a closed dossier. Raises `Refused` for rules that cannot be read."""
        return _judge(row, self.rules())

    def counts(self, today: date, but: Sequence[str]) -> dict[Word, int]:
        """Return how many closed dossiers each word is said of, without the streams in `but`."""
        found = dict.fromkeys(WORDS, 0)
        for word, each in self._said(today, but):
            found[word] += each.count
        return found

    def page(self, word: Word, today: date, but: Sequence[str], *, limit: int, offset: int) -> tuple[Kept, ...]:
        """Return closed dossiers a word is said of, longest closed first, without the streams in `but`."""
        wanted = [each for said, each in self._said(today, but) if said == word]
        days, before = _days_of(wanted, limit, offset)
        if not days:
            return ()
        here, rules = {(each.procedure, each.day) for each in days}, self.rules()
        rows = self._model.closings.dossiers(self._home.unit, CLOSED, days[0].day, days[-1].day, but)
        fitting = [row for row in rows if (row.procedure, row.updated_at[:10]) in here]
        return tuple(_judge(row, rules) for row in fitting[offset - before :][:limit])

    def all(self, today: date, but: Sequence[str]) -> Iterator[Kept]:
        """Yield every closed dossier, those over first, then those kept longer, the unknown ones last."""
        order: tuple[Word, ...] = ("over", "kept", "unknown")
        for word in order:
            offset = 0
            while some := self.page(word, today, but, limit=MOST_ROWS, offset=offset):
                yield from some
                offset += len(some)

    def _said(self, today: date, but: Sequence[str]) -> list[tuple[Word, Closing]]:
        """Return what is said of the dossiers of each procedure and day, by day."""
        days = self._model.closings.days(self._home.unit, CLOSED)  # the same object while nothing has changed
        key = (self.rules(), today, tuple(but))
        if self._judged is None or self._judged[0] is not days or self._judged[1] != key:
            self._judged = days, key, self._judge_days(days, *key)
        return self._judged[2]

    def _judge_days(
        self, days: Sequence[Closing], rules: tuple[Rule, ...], today: date, but: Sequence[str]
    ) -> list[tuple[Word, Closing]]:
        left_out = Counter[tuple[str, str]]()
        for row in filter(None, map(self._model.queries.dossier, but)):
            if row.unit == self._home.unit and row.status in CLOSED:
                left_out[row.procedure, row.updated_at[:10]] += 1
        left = [replace(each, count=each.count - left_out[each.procedure, each.day]) for each in days]
        return [(_word(each, rules, today), each) for each in left]


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the retention rules in a file. Raises `Refused` naming it."""
    try:
        value = strictjson.parse(read_bounded(path, _MAX_RULES_BYTES), max_bytes=_MAX_RULES_BYTES, max_depth=8)
    except CryptoError as exc:
        raise Refused("schema", f"{path}: {exc}") from exc
    return parse_rules(value)


def _judge(row: DossierRow, rules: tuple[Rule, ...]) -> Kept:
    closed = parse_time(row.updated_at).date()
    rule = find_rule(rules, row.procedure, closed)
    return Kept(row, closed, rule, rule.ends(closed) if rule else None)


def _word(closing: Closing, rules: tuple[Rule, ...], today: date) -> Word:
    closed = date.fromisoformat(closing.day)
    rule = find_rule(rules, closing.procedure, closed)
    if rule is None:
        return "unknown"
    ends = rule.ends(closed)
    return "over" if ends is not None and ends <= today else "kept"


def _days_of(closings: Sequence[Closing], limit: int, offset: int) -> tuple[list[Closing], int]:
    """Return those of `closings` (sorted by day) on whose days rows `offset` to `offset + limit` fall, and how many
    rows come before them."""
    found: list[Closing] = []
    before = passed = 0
    for _, group in groupby(closings, lambda each: each.day):
        day = list(group)
        count = sum(each.count for each in day)
        if passed + count <= offset:
            before += count
        elif passed < offset + limit:
            found += day
        passed += count
    return found, before
