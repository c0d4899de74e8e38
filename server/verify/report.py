"""What a verification found: counts of what was checked, and every document that does not hold, by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not hold: where it is, which document, what is wrong in plain words."""

    place: str
    document: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.document}: {self.what}"


@dataclass(slots=True)
class Report:
    """Grows while a verification runs. `checked` counts by kind; `remarks` are worth reading and refute nothing."""

    checked: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)

    def fault(self, place: str, document: str, what: str) -> None:
        """Record that something does not hold."""
        self.faults.append(Fault(place, document, what))

    def remark(self, place: str, document: str, what: str) -> None:
        """Record something a reader must weigh, such as a certificate that has expired since."""
        self.remarks.append(Fault(place, document, what))

    @property
    def holds(self) -> bool:
        """Whether everything that was looked at is what it claims to be. Having looked at nothing proves nothing."""
        return not self.faults and sum(self.checked.values()) > 0

    @property
    def documents(self) -> int:
        """How many documents were checked."""
        return sum(count for kind, count in self.checked.items() if kind != "file")

    @property
    def files(self) -> int:
        """How many whole files were put together from their chunks and hashed."""
        return self.checked["file"]

    def lines(self) -> list[str]:
        """Return the report for people: what was checked, remarks, faults, and the verdict last."""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.checked.items())) or "nothing"
        told = [f"checked: {counts}"]
        told += [f"remark: {remark}" for remark in self.remarks]
        told += [f"FAULT: {fault}" for fault in self.faults]
        if self.holds:
            told.append("everything holds")
        elif self.faults:
            told.append(f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''} found")
        else:
            told.append("there was nothing to check, so nothing is proven")
        return told
