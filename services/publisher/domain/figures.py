"""The public figure: how much was available within 24 hours, per cent (clause C6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, TypeVar

FEW: Final = 10
"""Below this many obligations nothing is told but that there were few: behind a small number stand known children."""
SCHOOL_YEAR_BEGINS: Final = 9
"""September."""


class Span(StrEnum):
    """Over what the figure is taken. A quarter is one of the calendar: those of schools differ among them."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    SCHOOL_YEAR = "school_year"

    @property
    def tells_schools(self) -> bool:
        """Whether single schools are told. A day's few would follow from the month and its other days."""
        return self is not Span.DAY


def span_around(span: Span, on: date) -> tuple[date, date]:
    """The first day of the span with this day, and the first day after it."""
    if span is Span.DAY:
        return on, on + timedelta(days=1)
    if span is Span.SCHOOL_YEAR:
        year = on.year if on.month >= SCHOOL_YEAR_BEGINS else on.year - 1
        return date(year, SCHOOL_YEAR_BEGINS, 1), date(year + 1, SCHOOL_YEAR_BEGINS, 1)
    months = 1 if span is Span.MONTH else 3
    first = (on.month - 1) // months * months + 1
    after = first + months
    return date(on.year, first, 1), date(on.year + after // 13, (after - 1) % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Obligations that were due in a span, by what became of them."""

    in_time: int = 0
    late_by_us: int = 0
    late_at_source: int = 0
    unmet_by_us: int = 0
    """The 24 hours passed and it is still owed, or it ended without having been met."""
    unmet_at_source: int = 0
    still_open: int = 0
    """Its 24 hours still run."""
    closed_days: int = 0
    """Of the late and the unmet by us: paper whose 24 hours touched a closed day."""

    @property
    def total(self) -> int:
        """All of them."""
        return (
            self.in_time
            + self.late_by_us
            + self.late_at_source
            + self.unmet_by_us
            + self.unmet_at_source
            + self.still_open
        )

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.in_time + other.in_time,
            self.late_by_us + other.late_by_us,
            self.late_at_source + other.late_at_source,
            self.unmet_by_us + other.unmet_by_us,
            self.unmet_at_source + other.unmet_at_source,
            self.still_open + other.still_open,
            self.closed_days + other.closed_days,
        )

    def percent(self, *, closed_days_apart: bool = False) -> float | None:
        """The share in time of all that could be in time and whose outcome is known; None when there is none.

        Cut, not rounded, to two digits: one hundred is said only when nothing was late. What was late when it was
        recorded nobody here could have told in time; it is shown beside. With `closed_days_apart` so is paper whose
        24 hours touched a closed day.
        """
        missed = self.late_by_us + self.unmet_by_us - (self.closed_days if closed_days_apart else 0)
        known = self.in_time + missed
        return None if known == 0 else self.in_time * 10_000 // known / 100


K = TypeVar("K")


def hidden(totals: Sequence[tuple[K, int]]) -> set[K]:
    """Whose counts are not told: those with few, and so many more that no count follows from the sum of all.

    If the district's sum is told and one school's is not, the difference tells it; so with few hidden obligations in
    all, the next smallest school is hidden, too.
    """
    by_size = sorted((total, index) for index, (_, total) in enumerate(totals) if total)
    few = [index for total, index in by_size if total < FEW]
    together = sum(total for total, _ in by_size[: len(few)])
    while few and (len(few) < 2 or together < FEW) and len(few) < len(by_size):
        together += by_size[len(few)][0]
        few.append(by_size[len(few)][1])
    return {totals[index][0] for index in few}
