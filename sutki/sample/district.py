"""The district as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from sutki.sample.answers import answer
from sutki.sample.calendar import Calendar, school_year
from sutki.sample.control_works import ControlWorks, plan_quarter
from sutki.sample.curriculum import subject_id, subjects
from sutki.sample.families import Child, Family, PersonIds, families
from sutki.sample.journal_records import (
    Attendance,
    ControlWork,
    DatedLesson,
    Deferral,
    Homework,
    PlanRow,
    Recommendation,
    Slot,
    Substitution,
    Taught,
    Unassessed,
)
from sutki.sample.lessons import Timetable, make_timetable, plan_rows
from sutki.sample.records import (
    Account,
    Campus,
    Consent,
    ExamResult,
    FinalGrade,
    Group,
    Holiday,
    Mark,
    Member,
    Period,
    Person,
    Representation,
    School,
    SchoolYear,
    Subject,
    Withdrawal,
)
from sutki.sample.results import (
    Abilities,
    Exceptions,
    Register,
    exam_results,
    exceptions,
    final_grades,
    quarter_marks,
    recent_marks,
)
from sutki.sample.teaching import Teaching, teach
from sutki.sample.topics import DEFERRAL_DOCUMENT, NOT_ASSESSED_REASON
from sutki.sample.written import attendance, homework, recommendations

SOURCE = "district"
"""The namespace of the journal's ids."""
TIME_ZONE = "Europe/Moscow"
_ISSUED_DAYS_AGO, _DEFERRED_DAYS = 3, 14
"""Of the deferral: when its document was issued, and until when it runs."""


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
    marks: list[Mark] = field(default_factory=list)
    final_grades: list[FinalGrade] = field(default_factory=list)
    exam_results: list[ExamResult] = field(default_factory=list)
    campuses: list[Campus] = field(default_factory=list)
    school_years: list[SchoolYear] = field(default_factory=list)
    holidays: list[Holiday] = field(default_factory=list)
    teaching: list[Taught] = field(default_factory=list)
    curriculum: list[PlanRow] = field(default_factory=list)
    timetable: list[Slot] = field(default_factory=list)
    lessons: list[DatedLesson] = field(default_factory=list)
    substitutions: list[Substitution] = field(default_factory=list)
    control_works: list[ControlWork] = field(default_factory=list)
    homework: list[Homework] = field(default_factory=list)
    recommendations: list[Recommendation] = field(default_factory=list)
    attendance: list[Attendance] = field(default_factory=list)
    deferrals: list[Deferral] = field(default_factory=list)
    not_assessed: list[Unassessed] = field(default_factory=list)
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
    year = school_year(base.date())
    calendar = Calendar(year, base.date())
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
        district.periods += calendar.periods(school)
        _add_teaching(district, teaching)
        timetable = _add_journal(district, teaching, calendar)
        _add_results(district, teaching, timetable, children, abilities)
    answered = answer(_chance(seed, "answers"), homes, district.schools, base)
    district.consents, district.withdrawals = answered.consents, answered.withdrawals
    district.accounts = answered.accounts
    return district


def _chance(seed: int, part: str) -> Random:
    """Each part draws from a source of its own, so that a change in one does not stir the others."""
    return Random(f"sutki/{seed}/{part}")  # noqa: S311 - a sample, not a secret


def _school(number: int) -> School:
    return School(
        f"school-{number}", f"Образцовая школа № {number}", f"Примерный район, ул. Школьная, д. {number}", TIME_ZONE
    )


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
    district.people += [
        Person(person_id, "teacher", *name, None, teaching.school.school_id) for person_id, name in teaching.teachers
    ]


def _add_journal(district: District, teaching: Teaching, calendar: Calendar) -> Timetable:
    """Calendar, plan, timetable and the lessons of the days that the journal covers."""
    school = teaching.school
    district.campuses += _campuses(school)
    district.school_years += calendar.school_years(school)
    district.holidays += calendar.holidays(school)
    district.teaching += _taught(teaching, calendar)
    timetable = make_timetable(_chance(district.seed, f"timetable/{school.school_id}"), teaching, calendar)
    district.curriculum += plan_rows(teaching, timetable)
    district.timetable += timetable.slots
    district.substitutions += timetable.substitutions
    return timetable


def _campuses(school: School) -> Iterator[Campus]:
    yield Campus(f"{school.school_id}-campus-1", school.school_id, "Главное здание", school.address)
    if school.school_id == "school-1":
        yield Campus(f"{school.school_id}-campus-2", school.school_id, "Мастерские", f"{school.address}, корпус 2")


def _taught(teaching: Teaching, calendar: Calendar) -> Iterator[Taught]:
    since = calendar.spans["year", 1][0]
    for lesson in teaching.lessons:
        code = f"{lesson.group_id}-{lesson.course.code}-teacher"
        subject = subject_id(lesson.course.code)
        yield Taught(code, lesson.teacher_id, lesson.group_id, subject, "subject_teacher", since)
    for lead in teaching.class_teachers:
        yield Taught(f"{lead.group_id}-head", lead.person_id, lead.group_id, "", "class_teacher", since)


def _add_results(
    district: District, teaching: Teaching, timetable: Timetable, children: list[Child], abilities: Abilities
) -> None:
    """Marks and what follows from them, and what else was written at the lessons."""
    school, seed = teaching.school.school_id, district.seed
    # Only one school closes its quarter in the demonstration.
    apart = exceptions(teaching) if teaching.school is district.schools[-1] else Exceptions()
    controls = ControlWorks(school)
    register = Register(_chance(seed, f"marks/{school}"), abilities, teaching)
    marked = quarter_marks(register, teaching, timetable, controls)
    plan_quarter(_chance(seed, f"controls/{school}"), teaching, timetable, controls)
    recent_marks(register, teaching, timetable)
    district.marks += register.taken
    periods = {"junior": f"{school}-quarter-1", "senior": f"{school}-half_year-1"}
    finals = final_grades(_chance(seed, f"finals/{school}"), teaching, marked, district.base, periods, apart)
    district.final_grades += finals
    _note_exceptions(district, apart, finals, periods["junior"])
    rng = _chance(seed, f"exams/{school}")
    district.exam_results += exam_results(rng, abilities, teaching, children, district.base)
    district.lessons += [lesson.record() for lesson in timetable.lessons]
    district.control_works += controls.works
    district.homework += homework(_chance(seed, f"homework/{school}"), teaching, timetable)
    district.recommendations += recommendations(_chance(seed, f"advice/{school}"), teaching, timetable)
    ill = None if apart.deferred is None else apart.deferred[0]
    rng = _chance(seed, f"attendance/{school}")
    district.attendance += attendance(rng, teaching, timetable, register.taken, ill)


def _note_exceptions(district: District, apart: Exceptions, finals: list[FinalGrade], period: str) -> None:
    today = district.base.date()
    if apart.deferred is not None:
        student, course = apart.deferred
        issued, due_on = today - timedelta(days=_ISSUED_DAYS_AGO), today + timedelta(days=_DEFERRED_DAYS)
        district.deferrals.append(
            Deferral(student, subject_id(course), period, "illness", DEFERRAL_DOCUMENT, issued, due_on)
        )
    district.not_assessed += [
        Unassessed(grade.result_id, NOT_ASSESSED_REASON) for grade in finals if grade.value == "н/а"
    ]
