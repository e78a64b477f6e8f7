"""What a verification finds, and how much of it is kept."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_ALIKE = 1000
"""Findings of one kind about one gap: a number that was tampered with may be anything."""
MOST_NAMED = 10_000
"""Findings of one kind that are kept."""


class Fault(StrEnum):
    """What a finding is about."""

    ROW_CHANGED = "row_changed"
    ROW_FORGED = "row_forged"
    ROW_MISSING = "row_missing"
    ROW_MOVED = "row_moved"
    ROW_OF_ANOTHER_LOG = "row_of_another_log"
    PLACE_EMPTY = "place_empty"
    BATCH_CHANGED = "batch_changed"
    BATCH_MISSING = "batch_missing"
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    SEAL_UNSIGNED = "seal_unsigned"
    STUB_CHANGED = "stub_changed"
    STUB_EARLY = "stub_early"
    STUB_UNSIGNED = "stub_unsigned"
    PURGE_UNKNOWN = "purge_unknown"
    PURGED_ROW = "purged_row"
    NAME_CHANGED = "name_changed"
    KEY_UNKNOWN = "key_unknown"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled_back"
    TRIGGER_MISSING = "trigger_missing"
    TRIGGER_FOREIGN = "trigger_foreign"


OF_TRIGGERS = {Fault.TRIGGER_MISSING, Fault.TRIGGER_FOREIGN}
"""What says nothing of the rows that are there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``where`` names a row, or a seal by its position."""

    fault: Fault
    where: str
    text: str


@dataclass(slots=True)
class Report:
    """What a verification found."""

    log: str = ""
    seal: int = 0
    """The newest seal."""
    since: int = 0
    """The seal from which rows were read: 0 for all of them."""
    rows: int = 0
    waiting: int = 0
    """Rows that no seal covers yet."""
    anchored: int | None = None
    """The newest seal that the anchor knows; None without one: not proven against truncation."""
    findings: list[Finding] = field(default_factory=list)
    """Of each kind the first MOST_NAMED: a log of forged rows must not fill the memory."""
    counts: Counter[Fault] = field(default_factory=Counter)
    """How many there were of each kind."""

    def mark(self) -> tuple[int, Counter[Fault]]:
        """Return what ``forget`` takes back to now."""
        return len(self.findings), self.counts.copy()

    def forget(self, mark: tuple[int, Counter[Fault]]) -> None:
        """Take back what was found since ``mark``."""
        del self.findings[mark[0] :]
        self.counts = mark[1]

    @property
    def is_sound(self) -> bool:
        return not self.findings

    @property
    def total(self) -> int:
        """How many findings there were, also those beyond what ``findings`` holds."""
        return sum(self.counts.values())

    def add(self, fault: Fault, where: object, text: str) -> None:
        self.counts[fault] += 1
        if self.counts[fault] <= MOST_NAMED:
            self.findings.append(Finding(fault, str(where), text))

    def add_range(
        self, fault: Fault, begin: int, end: int, name: Callable[[int], object], text: str
    ) -> None:
        """Add a finding for each number of a range: all of them count, the first are named."""
        if end <= begin:
            return
        named = min(end - begin, MOST_ALIKE)
        for number in range(begin, begin + named):
            self.add(fault, name(number), text)
        self.counts[fault] += end - begin - named
