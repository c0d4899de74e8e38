"""Finding somebody who stands at the counter or calls: by name, identity card, telephone, or a dossier's code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from server.dossier import units
from server.enrolment import Enrolments
from server.readmodel.model import ReadModel
from server.readmodel.queries import DossierFilter

MOST: Final = 20
LEAST_DIGITS: Final = 4  # the end of a telephone number is what people remember
_LEAST_CHARS: Final = 2

By = Literal["name", "number", "dossier"]


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody a search brought. `by` says what fitted; `dossier` is the code or stream where a dossier did."""

    subject: str
    name: str
    by: By
    dossier: str = ""


def find_people(text: str, *, model: ReadModel, enrolments: Enrolments) -> tuple[Found, ...]:
    """Return at most `MOST` people for what was typed, each once, best fits first.

    Names are compared without tones and diacritics, numbers by their end, dossiers by code and by what their applicants
    gave. Only who holds a key of their own is found: somebody an official filed for has none to lose.
    """
    asked = text.strip()
    if len(asked) < _LEAST_CHARS:
        return ()
    found: dict[str, Found] = {}
    for each in _candidates(asked, model, enrolments):
        found.setdefault(each.subject, each)
        if len(found) == MOST:
            break
    return tuple(found.values())


def _candidates(asked: str, model: ReadModel, enrolments: Enrolments) -> Iterator[Found]:
    digits = re.sub(r"[\s.\-+]", "", asked)
    if digits.isascii() and digits.isdigit() and len(digits) >= LEAST_DIGITS:
        for subject in enrolments.subjects_with(digits):
            yield Found(subject, model.queries.name_of(subject), "number")
    for subject, name in model.people.named(asked, MOST):
        yield Found(subject, name, "name")
    for row in model.queries.dossiers(DossierFilter(text=asked, newest=True), limit=MOST).rows:
        name = model.queries.name_of(row.owner)
        if units.is_subject_urn(row.owner) and name:
            yield Found(row.owner, name, "dossier", row.code or row.stream)
