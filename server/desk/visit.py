"""Who asks the desk for a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.api.speaker import Speaker
from server.desk.translate import Translator


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the desk: who, in which language, when."""

    speaker: Speaker
    t: Translator
    now: datetime
