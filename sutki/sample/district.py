"""The district as a whole."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

from sutki.sample.answers import answer
from sutki.sample.curriculum import subjects
from sutki.sample.families import Child, Family, PersonIds, families
from sutki.sample.records import (
    Account,
    Consent,
    ExamResult,
    FinalGrade,
    Group,
    Lead,
    Mark,
    Member,
    Period,
    Person,
    Representation,
    School,
    Subject,
    Withdrawal,
)
from sutki.sample.results import Abilities, exam_results, final_grades, marks
from sutki.sample.teaching import Teaching, teach

SOURCE = "district"
"""The namespace of the journal's ids."""
TIME_ZONE = "Europe/Moscow"
_FIRST_GRADES_AFTER_DAYS = 14
"""So early in September nothing was marked yet: the sample then tells of the year before."""


@dataclass(slots=True)
class District:
    """All facts of the sample, as the journals of its schools hold them."""

    seed: int
    base: datetime
    schools: list[School] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=subjects)
    periods: list[Period] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    representatives: list[Representation] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    leads: list[Lead] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    final_grades: list[FinalGrade] = field(default_factory=list)
    exam_results: list[ExamResult] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)


def generate(seed: int, base: datetime, students: int = 1500, schools: int = 3) -> District:
    """Makes a district; the same arguments make the same one.

    Args:
        seed: of all chance.
        base: the present of the sample, with its offset; every result was obtained within the five hours before it.
        students: in all schools together.
        schools: how many. The last keeps its journal in plain files, the others in OneRoster.

    Raises:
        ValueError: `base` has no offset, or there are fewer students than schools.
    """
    if base.tzinfo is None:
        raise ValueError("the base instant needs an offset")
    if schools < 1 or students < schools:
        raise ValueError("every school needs a student")
    base = base.astimezone(UTC).replace(microsecond=0)
    year = _school_year(base.date())
    district, ids = District(seed, base), PersonIds()
    district.schools = [_school(number) for number in range(1, schools + 1)]
    homes = families(_chance(seed, "families"), ids, students=students, schools=schools, year=year)
    _add_families(district, homes)
    abilities = Abilities(_chance(seed, "abilities"))
    for index, school in enumerate(district.schools):
        children = [child for family in homes for child in family.children if child.school == index]
        teaching = teach(
            _chance(seed, f"teaching/{index}"), ids, school, children, group_per_subject=index < schools - 1
        )
        district.periods += _periods(school, year)
        _add_teaching(district, teaching)
        _add_results(district, teaching, children, abilities, year)
    answered = answer(_chance(seed, "answers"), homes, district.schools, base)
    district.consents, district.withdrawals = answered.consents, answered.withdrawals
    district.accounts = answered.accounts
    return district


def _chance(seed: int, part: str) -> Random:
    """Each part draws from a source of its own, so that a change in one does not stir the others."""
    return Random(f"sutki/{seed}/{part}")  # noqa: S311 - a sample, not a secret


def _school_year(day: date) -> int:
    began = day.year if day >= date(day.year, 9, 1) else day.year - 1
    return began if day >= date(began, 9, 1) + timedelta(days=_FIRST_GRADES_AFTER_DAYS) else began - 1


def _school(number: int) -> School:
    return School(
        f"school-{number}", f"Образцовая школа № {number}", f"Примерный район, ул. Школьная, д. {number}", TIME_ZONE
    )


def _periods(school: School, year: int) -> list[Period]:
    after = year + 1
    spans = [
        ("year", 1, date(year, 9, 1), date(after, 5, 31)),
        ("half_year", 1, date(year, 9, 1), date(year, 12, 28)),
        ("half_year", 2, date(after, 1, 11), date(after, 5, 31)),
        ("quarter", 1, date(year, 9, 1), date(year, 10, 25)),
        ("quarter", 2, date(year, 11, 4), date(year, 12, 28)),
        ("quarter", 3, date(after, 1, 11), date(after, 3, 22)),
        ("quarter", 4, date(after, 3, 30), date(after, 5, 31)),
    ]
    return [
        Period(f"{school.school_id}-{kind}-{number}", school.school_id, kind, number, f"{year}/{after}", first, last)
        for kind, number, first, last in spans
    ]


def _add_families(district: District, homes: list[Family]) -> None:
    rows: dict[tuple[str, str], Person] = {}
    for family in homes:
        for child in family.children:
            school_id = district.schools[child.school].school_id
            district.people.append(Person(child.person_id, "student", *child.name, child.birth_date, school_id))
            for adult in family.adults:
                # One person at two schools is in the files of both, under the same id.
                key = (adult.person_id, school_id)
                rows.setdefault(key, Person(adult.person_id, "representative", *adult.name, None, school_id))
                in_force = adult.person_id not in family.without_authority
                district.representatives.append(Representation(adult.person_id, child.person_id, adult.kind, in_force))
    district.people += rows.values()


def _add_teaching(district: District, teaching: Teaching) -> None:
    district.groups += teaching.groups
    district.members += teaching.members
    district.leads += teaching.leads
    district.people += [
        Person(person_id, "teacher", *name, None, teaching.school.school_id) for person_id, name in teaching.teachers
    ]


def _add_results(
    district: District, teaching: Teaching, children: list[Child], abilities: Abilities, year: int
) -> None:
    school = teaching.school.school_id
    last = min(date(year, 10, 25), district.base.date() - timedelta(days=1))
    rng = _chance(district.seed, f"marks/{school}")
    taken, marked = marks(rng, abilities, teaching, date(year, 9, 1), last)
    district.marks += taken
    periods = {"junior": f"{school}-quarter-1", "senior": f"{school}-half_year-1"}
    rng = _chance(district.seed, f"finals/{school}")
    district.final_grades += final_grades(rng, teaching, marked, district.base, periods)
    rng = _chance(district.seed, f"exams/{school}")
    district.exam_results += exam_results(rng, abilities, teaching, children, district.base)
