"""Past grades: which pairs of student and subject can teach, and which can be forecast."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.gradebook.forecast.scale import nearest_grade
from services.gradebook.grading import Grade

Pair = tuple[str, str]
"""A student and a subject."""


class Row(NamedTuple):
    """One cell of the history."""

    student: str
    subject: str
    period: str
    grade: float | None
    """None where the period is named but holds no grade: blank, not assessed, exempt, passed."""


class Case(NamedTuple):
    """What is known of one pair before the period, and its outcome where it has one."""

    student: str
    subject: str
    earlier: tuple[float, ...]
    """The grades that there are of the earlier periods, the oldest first; at least one."""
    others: float | None
    """By how much the means of the student's other subjects are above these subjects' averages, less the same here."""
    outcome: Grade | None

    @property
    def last(self) -> float:
        """The newest earlier grade."""
        return self.earlier[-1]

    @property
    def mean(self) -> float:
        """The plain mean of the earlier grades."""
        return sum(self.earlier) / len(self.earlier)


class NoHistory(ValueError):  # noqa: N818 - it is told to a person as it is called
    """Nothing can be learned or forecast. `args[0]` says why: `unknown_period`, `no_earlier_period`, `no_pairs`."""


_ROMAN = {roman: number for number, roman in enumerate(("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"), start=1)}
_LATER = (("год", "year", "annual"), ("экзамен", "exam", "огэ", "егэ"), ("итог", "final"))
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def _place(period: str) -> tuple[tuple[int, ...], int, tuple[int, ...]] | None:
    """Where a period's name puts it: calendar years, then year/exam/final after the rest, then its other numbers."""
    name = period.casefold().replace("\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}", "i")
    years = tuple(int(year) for year in _YEAR.findall(name))
    numbers = [int(digits) for digits in re.findall(r"\d+", _YEAR.sub(" ", name))]
    words = re.findall(r"[a-zа-яё]+", name)
    if not numbers:
        numbers = [_ROMAN[word] for word in words if word in _ROMAN]
    # By the words' beginnings: a half-year, «полугодие», is no year, «год».
    later = next(
        (rank for rank, stems in enumerate(_LATER, start=1) if any(word.startswith(stems) for word in words)), 0
    )
    return (years, later, tuple(numbers)) if years or numbers or later else None


def earlier_periods(periods: Sequence[str], target: str, stated: Sequence[str] = ()) -> tuple[str, ...]:
    """The periods before the target, the oldest first.

    In the order that was stated; otherwise by the names where every name says its place (years, numbers, Roman numbers,
    then year, exam, final); otherwise all others count as earlier, in their order of appearance.

    Args:
        periods: all names, in order of appearance.
        target: the period to forecast.
        stated: the order that a person gave; names that it leaves out are ignored.

    Raises:
        NoHistory: the target is not there, or nothing is before it.
    """
    if target not in (stated or periods):
        raise NoHistory("unknown_period")
    order = list(stated or periods)
    places = {period: _place(period) for period in order}
    if not stated and all(place is not None for place in places.values()):
        order.sort(key=lambda period: places[period] or ((), 0, ()))
    elif not stated:
        order = [*(period for period in order if period != target), target]
    earlier = tuple(order[: order.index(target)])
    if not earlier:
        raise NoHistory("no_earlier_period")
    return earlier


class History(NamedTuple):
    """Grades by pair, in the order of appearance."""

    grades: dict[Pair, dict[str, float]]
    periods: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "History":
        """The history that the rows tell; of two grades of one pair and period the first one holds."""
        grades: dict[Pair, dict[str, float]] = {}
        periods: dict[str, None] = {}
        for row in rows:
            periods.setdefault(row.period)
            of_pair = grades.setdefault((row.student, row.subject), {})
            if row.grade is not None:
                of_pair.setdefault(row.period, row.grade)
        return cls(grades, tuple(periods))

    def cases(self, target: str, earlier: Sequence[str]) -> list[Case]:
        """Every pair that has a grade in an earlier period, in the order of appearance.

        Raises:
            NoHistory: there is none.
        """
        known = {
            pair: found
            for pair, grades in self.grades.items()
            if (found := tuple(grades[period] for period in earlier if period in grades))
        }
        if not known:
            raise NoHistory("no_pairs")
        above = _above_average({pair: sum(grades) / len(grades) for pair, grades in known.items()})
        of_student: dict[str, list[float]] = {}
        for (student, _), value in above.items():
            of_student.setdefault(student, []).append(value)
        return [
            Case(
                student,
                subject,
                grades,
                _others(above[student, subject], of_student[student]),
                _outcome(self.grades[student, subject].get(target)),
            )
            for (student, subject), grades in known.items()
        ]


def _above_average(means: Mapping[Pair, float]) -> dict[Pair, float]:
    """By how much each pair's mean is above its subject's average, so that strict subjects compare with mild ones."""
    of_subject: dict[str, list[float]] = {}
    for (_, subject), grade in means.items():
        of_subject.setdefault(subject, []).append(grade)
    averages = {subject: sum(grades) / len(grades) for subject, grades in of_subject.items()}
    return {pair: grade - averages[pair[1]] for pair, grade in means.items()}


def _others(own: float, all_of_student: Sequence[float]) -> float | None:
    if len(all_of_student) < 2:
        return None
    return (sum(all_of_student) - own) / (len(all_of_student) - 1) - own


def _outcome(grade: float | None) -> Grade | None:
    return None if grade is None else nearest_grade(grade)
