"""The sample's journal: a timetable that could be kept, and everything that was written at its lessons."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutki.sample import District, generate
from sutki.sample.calendar import Calendar
from sutki.sample.curriculum import COURSES, courses_of, hours
from sutki.sample.families import Child
from sutki.sample.lessons import bell
from sutki.sample.names import Name
from sutki.sample.teaching import Lesson
from sutki.sample.timetable import schedule

BASE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def district() -> District:
    return generate(1, BASE)


def twice(places: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What stands more than once."""
    return [place for place, number in Counter(places).items() if number > 1]


def students_of(district: District) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for member in district.members:
        found[member.group_id].append(member.person_id)
    return found


def grades_of(district: District) -> dict[str, int]:
    levels = {group.group_id: group.grade_level for group in district.groups if group.kind == "class"}
    return {member.person_id: levels[member.group_id] for member in district.members if member.group_id in levels}


@pytest.mark.parametrize("seed", [1, 24])
@pytest.mark.parametrize("students", [60, 1500])
def test_by_the_timetable_nobody_is_in_two_places_at_once(seed: int, students: int):
    district = generate(seed, BASE, students=students)
    inside = students_of(district)
    schools = {group.group_id: group.school_id for group in district.groups}
    for day in (date(2026, 9, 1), date(2026, 12, 1)):
        valid = [slot for slot in district.timetable if slot.valid_from <= day <= slot.valid_to]
        assert twice((slot.teacher_id, slot.weekday, slot.number) for slot in valid) == []
        assert twice((who, slot.weekday, slot.number) for slot in valid for who in inside[slot.group_id]) == []
        rooms = [
            (schools[slot.group_id], slot.room, slot.weekday, slot.number) for slot in valid if slot.room != "спортзал"
        ]
        assert twice(rooms) == []


def test_after_all_replacements_and_moves_nobody_is_in_two_places_at_once(district: District):
    inside = students_of(district)
    given = [lesson for lesson in district.lessons if lesson.status != "cancelled"]

    assert twice((lesson.teacher_id, lesson.lesson_on, lesson.number) for lesson in given) == []
    at = ((who, lesson.lesson_on, lesson.number) for lesson in given for who in inside[lesson.group_id])
    assert twice(at) == []


@st.composite
def a_school(draw: st.DrawFn) -> list[Lesson]:
    """Some classes whose subjects are given out to few teachers."""
    child = Child("person-1", Name("А", "Б", "В"), date(2015, 1, 1), 5, 0, woman=False)
    made, load = [], Counter[str]()
    for number in range(draw(st.integers(1, 6))):
        grade = draw(st.integers(1, 11))
        for course in courses_of(grade):
            teacher = f"{course.code}-{draw(st.integers(1, 2))}"
            weekly = hours(course, grade)
            if load[teacher] + weekly > 24:
                teacher = f"{course.code}-{number + 3}"
            load[teacher] += weekly
            classes = frozenset({f"class-{number}"})
            made.append(Lesson(f"{course.code}-{number}", course, grade, [child], teacher, weekly, classes))
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(a_school(), st.integers(0, 1000))
def test_any_school_gets_a_timetable_with_every_hour_and_no_clash(lessons: list[Lesson], seed: int):
    placed = schedule(Random(seed), lessons)

    assert Counter(lesson.group_id for lesson, _ in placed) == {lesson.group_id: lesson.hours for lesson in lessons}
    assert twice((lesson.teacher_id, place) for lesson, place in placed) == []
    assert twice((one, place) for lesson, place in placed for one in lesson.classes) == []


def test_a_teacher_with_more_lessons_than_the_week_has_is_refused():
    lessons = [Lesson(f"group-{n}", COURSES[0], 5, [], "only", 5, frozenset({f"class-{n}"})) for n in range(16)]

    with pytest.raises(ValueError, match="places"):
        schedule(Random(1), lessons)


def test_classes_hardly_have_free_lessons_between_others(district: District):
    levels = {group.group_id for group in district.groups if group.kind == "class"}
    classes = {member.person_id: member.group_id for member in district.members if member.group_id in levels}
    inside = students_of(district)
    at: dict[tuple[str, int], set[int]] = defaultdict(set)
    for slot in district.timetable:
        for who in inside[slot.group_id]:
            at[classes[who], slot.weekday].add(slot.number)

    gaps = sum(max(numbers) - len(numbers) for numbers in at.values())

    assert gaps <= 5, "of about 1,600 lessons a week"
    assert max(max(numbers) for numbers in at.values()) <= 8


def test_the_timetable_follows_the_teaching_and_the_hours_of_the_grade(district: District):
    teachers = {(row.group_id, row.subject_id): row.teacher_id for row in district.teaching if row.subject_id}
    titles = {course.title: course for course in COURSES}
    subjects = {subject.subject_id: titles[subject.title] for subject in district.subjects}
    levels = {group.group_id: group for group in district.groups}
    weekly = Counter(
        (slot.group_id, slot.subject_id)
        for slot in district.timetable
        if slot.valid_from <= date(2026, 12, 1) <= slot.valid_to
    )

    assert set(weekly) == set(teachers)
    for slot in district.timetable:
        assert slot.teacher_id == teachers[slot.group_id, slot.subject_id]
        assert (slot.starts_at, slot.ends_at) == bell(slot.number)
    for (group_id, subject), number in weekly.items():
        group = levels[group_id]
        assert number == (1 if group.kind == "individual_plan" else hours(subjects[subject], group.grade_level))
    load = Counter(slot.teacher_id for slot in district.timetable if slot.valid_to > date(2026, 12, 1))
    assert max(load.values()) <= 24


def test_some_slots_have_a_second_version_from_the_autumn_holidays(district: District):
    ended = [slot for slot in district.timetable if slot.valid_to == date(2026, 10, 25)]
    begun = {
        (slot.group_id, slot.subject_id, slot.weekday, slot.number): slot
        for slot in district.timetable
        if slot.valid_from == date(2026, 11, 4)
    }

    assert ended
    for slot in ended:
        assert begun[slot.group_id, slot.subject_id, slot.weekday, slot.number].room != slot.room


def test_every_group_that_learns_has_a_teacher_and_every_class_a_class_teacher(district: District):
    people = {person.person_id for person in district.people if person.role == "teacher"}
    heads = [row.group_id for row in district.teaching if row.role == "class_teacher"]

    assert {row.teacher_id for row in district.teaching} <= people
    assert sorted(heads) == sorted(group.group_id for group in district.groups if group.kind == "class")
    kinds = {group.group_id: group.kind for group in district.groups}
    taught = {kinds[row.group_id] for row in district.teaching if row.subject_id}
    assert taught == {"class", "study_group", "study_stream", "individual_plan"}


def test_lessons_lie_on_school_days_and_only_what_is_past_was_held(district: District):
    calendar = Calendar(2026, BASE.date())

    assert {lesson.lesson_on for lesson in district.lessons} == set(calendar.covered)
    for lesson in district.lessons:
        assert lesson.topic
        if lesson.status != "cancelled":
            assert (lesson.status == "held") == (lesson.lesson_on < BASE.date())
        assert bool(lesson.author_id) == (lesson.status == "held")
    assert len(calendar.recent) == 10
    assert len(calendar.coming) == 5


def test_the_plan_has_the_hours_of_the_timetable_by_type(district: District):
    calendar = Calendar(2026, BASE.date())
    slots: dict[tuple[str, str], list[int]] = defaultdict(list)
    for slot in district.timetable:
        if slot.valid_to > date(2026, 12, 1):
            slots[slot.group_id, slot.subject_id].append(slot.weekday)
    periods = {period.period_id: (period.kind, period.number) for period in district.periods}
    planned: Counter[tuple[str, str, str]] = Counter()
    for row in district.curriculum:
        planned[row.group_id, row.subject_id, row.period_id] += row.hours

    for (group_id, subject, period), total in planned.items():
        days = Counter(day.isoweekday() for day in calendar.in_period(*periods[period]))
        assert total == sum(days[weekday] for weekday in slots[group_id, subject])
    assert {(group, subject) for group, subject, _ in planned} == set(slots)
    assert {"new_material", "practice", "control_work", "laboratory", "practical"} <= {
        row.lesson_type for row in district.curriculum
    }


def test_substitutions_are_of_all_kinds_and_say_what_became_of_the_lesson(district: District):
    lessons = {lesson.lesson_id: lesson for lesson in district.lessons}
    teachers = {(row.group_id, row.subject_id): row.teacher_id for row in district.teaching}

    assert {one.kind for one in district.substitutions} == {"replaced", "moved", "cancelled"}
    for one in district.substitutions:
        lesson = lessons[one.lesson_id]
        usual = teachers[one.group_id, one.subject_id]
        match one.kind:
            case "replaced":
                assert lesson.teacher_id == one.new_teacher_id != usual
                assert (lesson.lesson_on, lesson.number) == (one.lesson_on, one.number)
            case "moved":
                assert (lesson.lesson_on, lesson.number) == (one.moved_to_on, one.moved_to_number)
                assert one.lesson_on < lesson.lesson_on <= one.lesson_on + timedelta(days=7)
            case _:
                assert lesson.status == "cancelled"
    assert any(one.lesson_on >= BASE.date() for one in district.substitutions), "some are still to come"


def test_control_works_keep_the_rules_and_stand_in_the_timetable(district: District):
    inside, grades = students_of(district), grades_of(district)
    weekday_slots = {(slot.group_id, slot.subject_id, slot.weekday, slot.number) for slot in district.timetable}
    moved = {(one.group_id, one.moved_to_on, one.moved_to_number) for one in district.substitutions}
    of_student = [
        (who, work.planned_on, work.subject_id) for work in district.control_works for who in inside[work.group_id]
    ]

    assert twice((who, on) for who, on, _ in of_student) == []
    weeks = Counter((who, on.isocalendar()[:2], subject) for who, on, subject in of_student)
    assert max(weeks.values()) <= 2
    assert min(grades[who] for who, _, _ in of_student) == 2
    for work in district.control_works:
        place = (work.group_id, work.subject_id, work.planned_on.isoweekday(), work.number)
        assert place in weekday_slots or (work.group_id, work.planned_on, work.number) in moved
    assert any(work.planned_on >= BASE.date() for work in district.control_works)


def test_no_class_writes_two_control_works_on_a_day(district: District):
    classes = {group.group_id for group in district.groups if group.kind == "class"}
    class_of = {member.person_id: member.group_id for member in district.members if member.group_id in classes}
    inside = students_of(district)
    on_days = [
        (one, work.planned_on)
        for work in district.control_works
        for one in {class_of[who] for who in inside[work.group_id]}
    ]

    assert twice(on_days) == [], "the halves of a class write on different days"


def test_marks_were_given_at_lessons_that_were_held_by_who_gave_them(district: District):
    lessons = {lesson.lesson_id: lesson for lesson in district.lessons}
    controls = {(work.group_id, work.subject_id, work.planned_on) for work in district.control_works}

    for mark in district.marks:
        lesson = lessons[mark.lesson_id]
        assert (lesson.group_id, lesson.subject_id, lesson.lesson_on) == (
            mark.group_id, mark.subject_id, mark.lesson_on,
        )  # fmt: skip
        assert lesson.status == "held"
        assert mark.author_id == lesson.teacher_id
        if mark.work_type == "control_work":
            assert (mark.group_id, mark.subject_id, mark.lesson_on) in controls
            assert lesson.lesson_type == "control_work"


def test_a_few_classes_have_marks_in_the_quarter_that_runs(district: District):
    recent = Counter(
        (mark.student_id, mark.subject_id) for mark in district.marks if mark.lesson_on > date(2026, 11, 3)
    )
    grades = grades_of(district)

    assert set(recent.values()) == {3}
    assert {grades[student] for student, _ in recent} == {5, 9}
    assert 100 < len({student for student, _ in recent}) < 200


def test_homework_is_due_at_the_next_lesson_and_some_has_links_or_is_for_some(district: District):
    lessons = {lesson.lesson_id: lesson for lesson in district.lessons}
    weekdays: dict[tuple[str, str], set[int]] = defaultdict(set)
    for slot in district.timetable:
        weekdays[slot.group_id, slot.subject_id].add(slot.weekday)
    inside = students_of(district)

    for one in district.homework:
        assert lessons[one.lesson_id].lesson_on == one.assigned_on
        assert one.due_on is not None
        assert one.due_on > one.assigned_on
        assert one.due_on.isoweekday() in weekdays[one.group_id, one.subject_id]
        assert set(one.student_ids.split("|")) - {""} <= set(inside[one.group_id])
    assert any("https://example.org/" in one.attachments for one in district.homework)
    assert any("|" in one.attachments for one in district.homework)
    assert any(one.student_ids for one in district.homework)


def test_every_first_grader_is_observed_and_every_other_class_gets_advice(district: District):
    grades = grades_of(district)
    observed = [one.student_id for one in district.recommendations if one.kind == "observation"]

    assert sorted(observed) == sorted(student for student, grade in grades.items() if grade == 1)
    whole = {one.group_id for one in district.recommendations if not one.student_id}
    assert whole == {group.group_id for group in district.groups if group.kind == "class" and group.grade_level > 1}
    assert any(one.student_id and one.kind == "recommendation" for one in district.recommendations)


def test_attendance_has_every_code_and_nobody_who_was_away_got_a_mark(district: District):
    marked = {(mark.student_id, mark.lesson_on) for mark in district.marks}
    lessons = {lesson.lesson_id: lesson for lesson in district.lessons}

    assert {one.code for one in district.attendance} == {"absent", "ill", "valid_reason", "late"}
    for one in district.attendance:
        assert one.lesson_on < BASE.date()
        if one.code != "late":
            assert (one.student_id, one.lesson_on) not in marked
        if one.lesson_id:
            assert (lessons[one.lesson_id].lesson_on, lessons[one.lesson_id].number) == (one.lesson_on, one.number)
    assert twice((one.student_id, one.lesson_on) for one in district.attendance) == []


def test_one_student_has_a_deferral_for_illness_instead_of_a_grade(district: District):
    (deferral,) = district.deferrals
    graded = {(grade.student_id, grade.subject_id) for grade in district.final_grades}
    ill = [one for one in district.attendance if one.student_id == deferral.student_id and one.code == "ill"]

    assert (deferral.student_id, deferral.subject_id) not in graded
    assert deferral.reason == "illness"
    assert deferral.document_date < BASE.date() < deferral.due_on
    assert any(one.lesson_on <= date(2026, 10, 25) for one in ill), "at the end of the quarter"


def test_who_could_not_be_assessed_has_a_reason(district: District):
    absent = {grade.result_id for grade in district.final_grades if grade.value == "н/а"}

    assert len(absent) == 1
    assert {one.result_id for one in district.not_assessed if one.reason} == absent


@pytest.mark.parametrize("offset", range(0, 365, 13))
def test_on_any_day_of_the_year_the_journal_is_of_one_piece(offset: int):
    base = datetime(2026, 9, 1, 8, tzinfo=UTC) + timedelta(days=offset)
    district = generate(offset, base, students=60)
    inside = students_of(district)
    lessons = {lesson.lesson_id: lesson for lesson in district.lessons}
    given = [lesson for lesson in district.lessons if lesson.status != "cancelled"]

    assert twice((one.teacher_id, one.lesson_on, one.number) for one in given) == []
    assert twice((who, one.lesson_on, one.number) for one in given for who in inside[one.group_id]) == []
    assert twice((work.group_id, work.planned_on) for work in district.control_works) == []
    assert all(lessons[mark.lesson_id].status == "held" for mark in district.marks if mark.lesson_id)
    assert all(mark.lesson_on < base.date() for mark in district.marks)
    assert {one.lesson_on for one in district.lessons}.isdisjoint(
        first + timedelta(days=n)
        for holiday in district.holidays
        for first in [holiday.starts_on]
        for n in range((holiday.ends_on - first).days + 1)
    )
