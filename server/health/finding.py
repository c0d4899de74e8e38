"""One thing that needs a person's attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from server.dossier.states import Text

# alarm: somebody may be deceiving, act today and keep the evidence; fault: something is not done until somebody acts;
# warning: it will be a fault.
Level = Literal["alarm", "fault", "warning"]
LEVELS: Final[tuple[Level, ...]] = ("alarm", "fault", "warning")


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is a stable word, the label of the metric; `what` is wrong, `todo` is what to do about it. `since` is RFC
    3339, "" if nobody knows; `page` is where the desk says more, "" for nowhere."""

    code: str
    level: Level
    what: Text
    todo: Text
    since: str = ""
    page: str = ""

    def line(self) -> str:
        """The English sentence that `tram doctor` prints."""
        since = f" (since {self.since[:16]})" if self.since else ""
        return f"{self.what.en}{since}: {self.todo.en}"
