"""The school year of the sample: its periods, its holidays, its school days, and which of them the journal covers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from sutki.sample.records import Holiday, Period, School, SchoolYear

FIRST_GRADES_AFTER_DAYS = 14
"""So early in September nothing was marked yet: the sample then tells of the year before."""
SCHOOL_DAYS_BEFORE, SCHOOL_DAYS_AFTER = 10, 5
"""Two weeks of lessons before the present and one after it."""
_DAY = timedelta(days=1)
_FRIDAY = 5


def school_year(day: date) -> int:
    """The year in which the school year of the sample began."""
    began = day.year if day >= date(day.year, 9, 1) else day.year - 1
    return began if day >= date(began, 9, 1) + timedelta(days=FIRST_GRADES_AFTER_DAYS) else began - 1


@dataclass(frozen=True)
class Calendar:
    """One school year, and where in it the present is. All schools of the sample share it."""

    year: int
    today: date

    @property
    def name(self) -> str:
        """The school year as it is written."""
        return f"{self.year}/{self.year + 1}"

    @property
    def spans(self) -> dict[tuple[str, int], tuple[date, date]]:
        """First and last day of each period, by kind and number."""
        year, after = self.year, self.year + 1
        return {
            ("year", 1): (date(year, 9, 1), date(after, 5, 31)),
            ("half_year", 1): (date(year, 9, 1), date(year, 12, 28)),
            ("half_year", 2): (date(after, 1, 11), date(after, 5, 31)),
            ("quarter", 1): (date(year, 9, 1), date(year, 10, 25)),
            ("quarter", 2): (date(year, 11, 4), date(year, 12, 28)),
            ("quarter", 3): (date(after, 1, 11), date(after, 3, 22)),
            ("quarter", 4): (date(after, 3, 30), date(after, 5, 31)),
        }

    @property
    def free(self) -> list[tuple[str, str, date, date]]:
        """Code, title, first and last day of all holidays."""
        year, after = self.year, self.year + 1
        return [
            ("autumn", "Осенние каникулы", date(year, 10, 26), date(year, 11, 3)),
            ("unity", "День народного единства", date(year, 11, 4), date(year, 11, 4)),
            ("winter", "Зимние каникулы", date(year, 12, 29), date(after, 1, 10)),
            ("defender", "День защитника Отечества", date(after, 2, 23), date(after, 2, 23)),
            ("women", "Международный женский день", date(after, 3, 8), date(after, 3, 8)),
            ("spring", "Весенние каникулы", date(after, 3, 23), date(after, 3, 29)),
            ("may", "Праздник Весны и Труда", date(after, 5, 1), date(after, 5, 1)),
            ("victory", "День Победы", date(after, 5, 9), date(after, 5, 9)),
            ("summer", "Летние каникулы", date(after, 6, 1), date(after, 8, 31)),
        ]

    def periods(self, school: School) -> list[Period]:
        """The reporting periods of a school."""
        return [
            Period(period_id(school, kind, number), school.school_id, kind, number, self.name, *span)
            for (kind, number), span in self.spans.items()
        ]

    def school_years(self, school: School) -> list[SchoolYear]:
        """The one school year."""
        first, last = self.spans["year", 1]
        return [SchoolYear(f"{school.school_id}-year-{self.year}", school.school_id, self.name, first, last)]

    def holidays(self, school: School) -> list[Holiday]:
        """The holidays of a school."""
        return [
            Holiday(f"{school.school_id}-holiday-{code}", school.school_id, self.name, title, first, last)
            for code, title, first, last in self.free
        ]

    @cached_property
    def days(self) -> list[date]:
        """Every school day of the year: Monday to Friday, outside the holidays."""
        off = {day for _, _, first, last in self.free for day in _each(first, last)}
        return [day for day in _each(*self.spans["year", 1]) if day.weekday() < _FRIDAY and day not in off]

    def between(self, first: date, last: date) -> list[date]:
        """The school days from one day to another, both counted."""
        return [day for day in self.days if first <= day <= last]

    def in_period(self, kind: str, number: int) -> list[date]:
        """The school days of a period."""
        return self.between(*self.spans[kind, number])

    @property
    def current_quarter(self) -> int:
        """The number of the quarter of the present, or of the last school day before it."""
        day = max((day for day in self.days if day <= self.today), default=self.days[0])
        return next(number for number in range(1, 5) if day <= self.spans["quarter", number][1])

    @property
    def recent(self) -> list[date]:
        """The school days of the two weeks before today."""
        return [day for day in self.days if day < self.today][-SCHOOL_DAYS_BEFORE:]

    @property
    def coming(self) -> list[date]:
        """The school days of the week from today on."""
        return [day for day in self.days if day >= self.today][:SCHOOL_DAYS_AFTER]

    @property
    def covered(self) -> list[date]:
        """The days whose lessons the journal holds: the first quarter as far as it goes, and the weeks about today."""
        first = [day for day in self.in_period("quarter", 1) if day < self.today]
        return sorted({*first, *self.recent, *self.coming})


def period_id(school: School, kind: str, number: int) -> str:
    """The journal's id of a period."""
    return f"{school.school_id}-{kind}-{number}"


def _each(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY
