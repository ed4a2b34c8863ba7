"""A round of forecasts from what was read for it. Pure computation, to be run beside the event loop."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from contracts.forecast_updated import Band as ToldBand
from contracts.values import PeriodKind
from services.gradebook.forecast.needed import Needed
from services.gradebook.forecast.running import Band, Rules, predict
from services.gradebook.forecast.scale import EVEN, Probabilities, nearest_grade
from services.gradebook.forecast.year import year_probabilities
from services.gradebook.forecasting.domain import (
    PARTS,
    Computed,
    Course,
    DatedMark,
    Holiday,
    Key,
    Pair,
    Planned,
    Term,
    expected_marks,
    is_forecast,
    part_kind,
)
from services.gradebook.forecasting.past import Past
from services.gradebook.forecasting.presenting import needed_json
from services.gradebook.grading import Borders
from services.gradebook.policy import Policies

TOLD_BANDS = {Band.CERTAIN: ToldBand.FIRM, Band.LIKELY: ToldBand.LIKELY, Band.OPEN: ToldBand.OPEN}
NUMERIC = frozenset("12345")


class Final(NamedTuple):
    """A final grade."""

    period_id: UUID
    kind: PeriodKind
    starts_on: date
    value: str

    @property
    def grade(self) -> float | None:
        """Its number; None for passed, exempt and not assessed."""
        return float(self.value) if self.value in NUMERIC else None


@dataclass(frozen=True)
class Known:
    """What a round rests on, all of one school."""

    today: date
    """At the school."""
    policies: Policies
    terms: Mapping[UUID, Term]
    levels: Mapping[UUID, int | None]
    """The grades of the students who are at this school now."""
    marks: Mapping[Pair, Sequence[DatedMark]]
    """The oldest first."""
    finals: Mapping[UUID, Mapping[UUID, Sequence[Final]]]
    """By student and subject, in the order of their periods."""
    planned: Mapping[Pair, Sequence[Planned]] = field(default_factory=dict)
    holidays: Sequence[Holiday] = ()
    pasts: Mapping[PeriodKind, Past] = field(default_factory=dict)

    def rules(self, term: Term) -> Rules:
        """The school's settings for a period: as when it is closed, those of its last day."""
        policy = self.policies.on(term.ends_on)
        borders = Borders(policy.borders.three, policy.borders.four, policy.borders.five)
        return Rules(borders=borders, minimum=policy.minimum_marks)

    def finals_of(self, pair: Pair) -> Sequence[Final]:
        """A student's final grades in a subject."""
        return self.finals.get(pair[0], {}).get(pair[1], ())

    def is_graded(self, key: Key) -> bool:
        """Whether the period has its final grade."""
        return any(final.period_id == key[2] for final in self.finals_of(key[:2]))

    def marks_of(self, pair: Pair, term: Term) -> list[DatedMark]:
        """A student's marks in a subject and period."""
        return [mark for mark in self.marks.get(pair, ()) if term.starts_on <= mark.on <= term.ends_on]


class _Before(NamedTuple):
    """What a prior is for: final grades of periods that began before this day."""

    kind: PeriodKind
    day: date


class _Told(NamedTuple):
    """What comes out of one computation."""

    probabilities: Probabilities
    band: ToldBand
    marks: int
    needed: Needed | None
    shown: bool


class _Year(NamedTuple):
    """A school year of one student and subject."""

    grades: tuple[int, ...]
    """The parts' final grades."""
    running: Term | None
    """The newest part that has begun and has no final grade."""
    left: int


class Round:
    """Computes forecasts."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._priors: dict[tuple[_Before, Pair], Probabilities] = {}
        self._parts: dict[Key, _Told] = {}
        self._courses: dict[UUID, Course] = {}
        self._weights = _last_weights(known.marks)

    def compute(self, keys: Iterable[Key], stored: frozenset[Key]) -> list[Computed]:
        """The forecasts that there are, and those that are stored and are not to be shown any more.

        Args:
            keys: what is due. Students who are at another school now are left to that school.
            stored: for which of them there is a row.
        """
        due = [key for key in keys if key[2] in self._known.terms and key[0] in self._known.levels]
        wanted = [key for key in due if self._runs(key) or key in stored]
        self._learn_priors(wanted)
        found = [self._one(key) for key in wanted]
        return [each for each in found if each.state == "current" or each.key in stored]

    def _runs(self, key: Key) -> bool:
        """Whether there may be a forecast to show: the period is this student's, has begun, and has no final grade."""
        term, level = self._known.terms[key[2]], self._known.levels[key[0]]
        return is_forecast(term.kind, level) and term.starts_on <= self._known.today and not self._known.is_graded(key)

    def _one(self, key: Key) -> Computed:
        term = self._known.terms[key[2]]
        runs = self._runs(key)
        if not is_forecast(term.kind, self._known.levels[key[0]]):
            told = _Told(EVEN, ToldBand.EARLY, 0, None, shown=False)
        elif term.kind is PeriodKind.YEAR:
            told = self._year(key, term)
        else:
            told = self._part(key, term)
        state: Literal["current", "closed"] = "current" if runs and told.shown else "closed"
        return Computed(
            key,
            state,
            told.probabilities,
            told.probabilities.leading,
            told.band.value,
            needed_json(told.needed) if state == "current" else None,
            told.marks,
        )

    def _part(self, key: Key, term: Term) -> _Told:
        """A quarter or half-year."""
        if key not in self._parts:
            self._parts[key] = self._computed_part(key, term)
        return self._parts[key]

    def _computed_part(self, key: Key, term: Term) -> _Told:
        pair, known = key[:2], self._known
        marks = known.marks_of(pair, term)
        prior = self._priors[_Before(term.kind, term.starts_on), pair]
        if term.period_id not in self._courses:
            self._courses[term.period_id] = Course.of(term, known.today, known.holidays)
        planned = [work for work in known.planned.get(pair, ()) if term.starts_on <= work.on <= term.ends_on]
        expected = expected_marks(marks, self._courses[term.period_id], planned, self._weights.get(pair[1], {}))
        forecast = predict(prior, [each.mark for each in marks], expected, known.rules(term))
        if forecast is None:
            return _Told(prior, ToldBand.EARLY, len(marks), None, shown=False)
        return _Told(forecast.probabilities, TOLD_BANDS[forecast.band], len(marks), forecast.needed, shown=True)

    def _year(self, key: Key, term: Term) -> _Told:
        """A year, from its parts."""
        pair, rules = key[:2], self._known.rules(term)
        marks = len(self._known.marks_of(pair, term))
        year = self._parts_of(key, term)
        before = self._before(key, term)
        running = self._priors[before, pair]
        if year.running is not None:
            running = self._part((*pair, year.running.period_id), year.running).probabilities
        if marks < rules.shown_from or not (year.grades or year.left):
            return _Told(running, ToldBand.EARLY, marks, None, shown=False)
        grades = tuple(nearest_grade(grade) for grade in year.grades)
        probabilities = year_probabilities(grades, running, year.left, rules)
        return _Told(probabilities, _band(probabilities, marks, rules), marks, None, shown=True)

    def _parts_of(self, key: Key, term: Term) -> _Year:
        known = self._known
        kind = part_kind(known.levels[key[0]] or 0)
        graded = {final.period_id: final.grade for final in known.finals_of(key[:2])}
        parts = [part for part in known.terms.values() if part.kind is kind and part.school_year == term.school_year]
        numeric = [grade for part in parts if (grade := graded.get(part.period_id)) is not None]
        without_number = sum(part.period_id in graded for part in parts) - len(numeric)
        begun = [part for part in parts if part.period_id not in graded and part.starts_on <= known.today]
        left = max(len(parts), PARTS[kind]) - without_number - len(numeric)
        return _Year(tuple(int(grade) for grade in numeric), begun[-1] if begun else None, left)

    def _before(self, key: Key, term: Term) -> _Before:
        """Which prior a forecast needs: a year's that of the part that runs, or of the next one."""
        if term.kind is not PeriodKind.YEAR:
            return _Before(term.kind, term.starts_on)
        running = self._parts_of(key, term).running
        kind = part_kind(self._known.levels[key[0]] or 0)
        return _Before(kind, self._known.today + timedelta(days=1) if running is None else running.starts_on)

    def _learn_priors(self, keys: Iterable[Key]) -> None:
        wanted: dict[_Before, dict[Pair, None]] = {}
        for key in keys:
            term = self._known.terms[key[2]]
            if is_forecast(term.kind, self._known.levels[key[0]]):
                wanted.setdefault(self._before(key, term), {})[key[:2]] = None
        for before, pairs in wanted.items():
            earlier = {
                (student_id, subject_id): [
                    grade
                    for final in finals
                    if final.kind in PARTS and final.starts_on < before.day and (grade := final.grade) is not None
                ]
                for student_id in {pair[0] for pair in pairs}
                for subject_id, finals in self._known.finals.get(student_id, {}).items()
            }
            found = self._known.pasts[before.kind].priors(list(pairs), earlier)
            self._priors |= {(before, pair): prior for pair, prior in found.items()}


def _band(probabilities: Probabilities, marks: int, rules: Rules) -> ToldBand:
    leading = probabilities.of(probabilities.leading)
    if leading >= rules.certain_from and marks >= rules.minimum:
        return ToldBand.FIRM
    return ToldBand.LIKELY if leading >= rules.likely_from else ToldBand.OPEN


def _last_weights(marks: Mapping[Pair, Sequence[DatedMark]]) -> dict[UUID, dict[str, Decimal]]:
    """By subject and kind of work what the newest of these marks weighed."""
    found: dict[UUID, dict[str, tuple[date, Decimal]]] = {}
    for (_, subject_id), of_pair in marks.items():
        for day, mark in of_pair:
            of_subject = found.setdefault(subject_id, {})
            if mark.work_type not in of_subject or of_subject[mark.work_type][0] <= day:
                of_subject[mark.work_type] = day, mark.weight
    return {subject_id: {kind: weight for kind, (_, weight) in of.items()} for subject_id, of in found.items()}
