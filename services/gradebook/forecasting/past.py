"""What a school's past final grades say before a period has marks: learned once, kept, and learned anew in time."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from chassis.database import Connection
from contracts.values import PeriodKind
from services.gradebook.forecast.history import Case, History, NoHistory, Row
from services.gradebook.forecast.model import HistoryForecaster
from services.gradebook.forecast.scale import EVEN, Probabilities, nearest_grade, shares
from services.gradebook.forecasting import queries
from services.gradebook.forecasting.domain import Pair, Term
from services.gradebook.grading import GRADES

LEARN_FROM = 8000
"""Cases that are learned from, those of the newest periods: about a second of computing."""
LEARN_PERIODS = 4
"""The newest periods of the kind whose outcomes are learned from."""
EARLIER = 4
"""How many earlier periods of a case count."""
PARTS = frozenset({PeriodKind.QUARTER, PeriodKind.HALF_YEAR})
REFRESH_AFTER = timedelta(days=1)
LOOK_AFTER = timedelta(minutes=5)
"""How often it is looked whether there are many more final grades than were learned from."""
REFRESH_WHEN_MORE = 0.1
KEPT = 200
"""The most schools and kinds of period that a process keeps; the one used longest ago goes first."""


class Graded(NamedTuple):
    """A final grade of the past."""

    student_id: UUID
    subject_id: UUID
    period_id: UUID
    value: int


class Past(NamedTuple):
    """What was learned from one school's past for one kind of period."""

    forecaster: HistoryForecaster
    averages: Mapping[UUID, float]
    """By subject: the average of the students' mean final grades."""
    frequencies: Mapping[UUID, Probabilities]
    """By subject: how often each grade was given."""
    overall: Probabilities
    """How often each grade was given at the school; even when there is no past."""

    @classmethod
    def learn(cls, kind: PeriodKind, terms: Sequence[Term], grades: Sequence[Graded]) -> "Past":
        """Learns; with no final grades at all it knows that a grade mostly stays, and nothing else.

        Args:
            kind: quarters or half-years.
            terms: the school's periods.
            grades: the numeric final grades of its quarters and half-years.
        """
        ordered = sorted((term for term in terms if term.kind in PARTS), key=lambda term: (term.starts_on, term.number))
        history = History.of(
            Row(str(grade.student_id), str(grade.subject_id), str(grade.period_id), float(grade.value))
            for grade in grades
        )
        cases: list[Case] = []
        graded = {grade.period_id for grade in grades}
        targets = [term for term in reversed(ordered) if term.kind == kind and term.period_id in graded]
        for target in targets[:LEARN_PERIODS]:
            if len(cases) < LEARN_FROM:
                cases += _outcomes(history, target, ordered)
        counts: dict[UUID, Counter[int]] = {}
        for grade in grades:
            counts.setdefault(grade.subject_id, Counter())[nearest_grade(grade.value)] += 1
        overall = _shares(sum(counts.values(), Counter()), EVEN)
        return cls(
            HistoryForecaster.learn(cases[:LEARN_FROM]),
            _averages(grades),
            {subject_id: _shares(of, overall) for subject_id, of in counts.items()},
            overall,
        )

    def priors(self, wanted: Sequence[Pair], earlier: Mapping[Pair, Sequence[float]]) -> dict[Pair, Probabilities]:
        """The grades' probabilities before the period has marks.

        Args:
            wanted: students and subjects.
            earlier: by student and subject the final grades before the period, the oldest first; of all subjects of
                these students.
        """
        above: dict[UUID, dict[UUID, float]] = {}
        for (student_id, subject_id), grades in earlier.items():
            if grades:
                mean = sum(grades) / len(grades)
                above.setdefault(student_id, {})[subject_id] = mean - self.averages.get(subject_id, mean)
        known = [pair for pair in wanted if earlier.get(pair)]
        cases = [
            Case(str(pair[0]), str(pair[1]), tuple(earlier[pair][-EARLIER:]), _others(above[pair[0]], pair[1]), None)
            for pair in known
        ]
        found = {pair: self.frequencies.get(pair[1], self.overall) for pair in wanted}
        return found | dict(zip(known, self.forecaster.predict(cases), strict=True))


def _outcomes(history: History, target: Term, ordered: Sequence[Term]) -> list[Case]:
    before = [str(term.period_id) for term in ordered if term.starts_on < target.starts_on][-EARLIER:]
    try:
        cases = history.cases(str(target.period_id), before)
    except NoHistory:
        return []
    return [case for case in cases if case.outcome is not None]


def _others(above: Mapping[UUID, float], subject_id: UUID) -> float | None:
    """By how much the student stands above the other subjects' averages, less the same of this subject."""
    if len(above) < 2:
        return None
    own = above[subject_id]
    return (sum(above.values()) - own) / (len(above) - 1) - own


def _averages(grades: Sequence[Graded]) -> dict[UUID, float]:
    of_pair: dict[Pair, list[int]] = {}
    for grade in grades:
        of_pair.setdefault((grade.student_id, grade.subject_id), []).append(grade.value)
    of_subject: dict[UUID, list[float]] = {}
    for (_, subject_id), values in of_pair.items():
        of_subject.setdefault(subject_id, []).append(sum(values) / len(values))
    return {subject_id: sum(means) / len(means) for subject_id, means in of_subject.items()}


def _shares(counts: Counter[int], before: Probabilities) -> Probabilities:
    """Frequencies; a few counts move what was known before only a little."""
    return shares([counts[grade] + 4 * before.of(grade) for grade in GRADES])


class _Kept(NamedTuple):
    past: Past
    grades: int
    learned_at: float
    looked_at: float


class Pasts:
    """What a process has learned of its schools."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[UUID, PeriodKind], _Kept] = OrderedDict()

    async def of(self, conn: Connection, school_id: UUID, kind: PeriodKind, terms: Sequence[Term]) -> Past:
        """A school's past: learned anew once a day, or when the number of final grades differs by a tenth."""
        key, now = (school_id, kind), monotonic()
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            if now - kept.looked_at < LOOK_AFTER.total_seconds():
                return kept.past
            count = await queries.count_past_grades(conn, school_id)
            aged = now - kept.learned_at >= REFRESH_AFTER.total_seconds()
            if not aged and abs(count - kept.grades) <= REFRESH_WHEN_MORE * kept.grades:
                self._kept[key] = kept._replace(looked_at=now)
                return kept.past
        grades = [Graded(*row) for row in await queries.past_grades(conn, school_id)]
        # Learning is all computation: beside the event loop, so that the service goes on answering.
        past = await asyncio.to_thread(Past.learn, kind, terms, grades)
        self._kept[key] = _Kept(past, len(grades), now, now)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return past
