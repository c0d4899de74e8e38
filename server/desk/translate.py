"""The desk's words in the reader's language, and times and sizes as they are written in Vietnam."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files

from server.dossier.states import Text

LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}
DEFAULT = "vi"
VIETNAM = timezone(timedelta(hours=7))  # one zone, no summer time since 1975
_KIB = 1024


class Translator:
    """Calls like `t("queue.more")` and `t("footer", unit="H41")` return text in one language.

    A key that is in no table raises `KeyError`: a page with a raw key on it is a fault that a test must see.
    """

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else DEFAULT
        self._texts = _texts(self.language)

    def __call__(self, key: str, **values: object) -> str:
        text = self._texts[key]
        return text.format(**values) if values else text

    def __contains__(self, key: object) -> bool:
        """Whether there is a text for `key`."""
        return key in self._texts

    def of(self, text: Text) -> str:
        """Return a two-language text in this language."""
        return text.en if self.language == "en" else text.vi

    def half(self, reason: str) -> str:
        """Return the reader's half of what the node says in both languages, "vi / en"; all of it if it is in one."""
        vi, _, en = reason.partition(" / ")
        return self.pick(vi, en)

    def pick(self, vi: str, en: str) -> str:
        """Return `en` for English readers if there is one, `vi` otherwise."""
        return en or vi if self.language == "en" else vi

    @property
    def other(self) -> str:
        """The other language's code."""
        return next(code for code in LANGUAGES if code != self.language)


def time_text(at: str) -> str:
    """Return an RFC 3339 time as it is written at a counter: "14:05 21/11/2026", Vietnamese time; "" for ""."""
    return datetime.fromisoformat(at).astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y") if at else ""


def bytes_text(size: int) -> str:
    """Return a size for people, with the decimal comma: "214 KB", "1,4 MB"."""
    if size < _KIB * _KIB:
        return f"{max(1, round(size / _KIB)) if size else 0} KB"
    return f"{size / _KIB / _KIB:.1f} MB".replace(".", ",")


@cache
def _texts(language: str) -> dict[str, str]:
    text = files("server.desk").joinpath("i18n", f"{language}.json").read_text(encoding="utf-8")
    texts: dict[str, str] = json.loads(text)
    return texts
