"""What a verification found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Report:
    """`checked` counts what was looked at and holds, by kind; `problems` name what does not; `notes` what is incomplete
    without being wrong."""

    checked: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether something was checked and all of it holds. Having looked at nothing proves nothing."""
        return not self.problems and sum(self.checked.values()) > 0

    def add(self, other: Report) -> None:
        """Count another report's findings with these."""
        self.checked.update(other.checked)
        self.problems += other.problems
        self.notes += other.notes

    def lines(self) -> Iterator[str]:
        """Yield the report as lines for people; the last one is the verdict."""
        for kind, count in sorted(self.checked.items()):
            yield f"{kind}: {count} checked"
        for note in self.notes:
            yield f"note: {note}"
        for problem in self.problems:
            yield f"BAD: {problem}"
        if self.problems:
            yield f"{len(self.problems)} problems: this does not hold"
        elif not self.holds:
            yield "nothing here to check: this does not hold"
        else:
            yield "all of it holds"
