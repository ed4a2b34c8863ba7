"""C2.2: what families are shown of the school's life, each view with its data in the journal and its event on Kafka."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.attendance_recorded import AttendanceRecorded
from contracts.control_work_changed import ControlWorkChanged
from contracts.final_grade_set import FinalGradeSet
from contracts.holidays_changed import HolidaysChanged
from contracts.homework_changed import HomeworkChanged
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import StudyGroupChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.timetable_changed import TimetableChanged
from sutki.sample.journal_records import Slot
from tests.e2e.clauses.diary import SCHOOL, Diary
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

WEEK = timedelta(days=7)
RUSSIAN = "subject-russian"


def quiet_mondays(diary: Diary) -> Iterator[date]:
    """Mondays of whole school weeks of which the journal knows the timetable and nothing else."""
    district = diary.system.district
    busy = {one.lesson_on - timedelta(days=one.lesson_on.weekday()) for one in district.lessons}
    first, last = next((one.starts_on, one.ends_on) for one in district.periods if one.kind == "year")
    monday = first + timedelta(days=-first.weekday() % 7)
    while monday + WEEK <= last:
        free = any(one.starts_on < monday + WEEK and monday <= one.ends_on for one in district.holidays)
        if not free and monday not in busy:
            yield monday
        monday += WEEK


def slots(diary: Diary, group: str, on: date) -> list[Slot]:
    """The weekly lessons of a group on a day."""
    return [
        one
        for one in diary.system.district.timetable
        if one.group_id == group and one.weekday == on.isoweekday() and one.valid_from <= on <= one.valid_to
    ]


async def lessons_on(diary: Diary, group: str, day: date) -> list[dict[str, Any]]:
    """The lessons of a day as the group's week shows them."""
    week = await diary.read(f"groups/{await diary.id('group', group)}/timetable", on=day)
    found: list[dict[str, Any]] = next(one["lessons"] for one in week["days"] if one["on"] == str(day))
    return found


async def test_c2_2a_families_see_the_childs_progress_marks_averages_absences_and_final_grades(diary: Diary):
    parent, child = diary.system.a_consenting_pair()
    child_id, today = await diary.id("person", child), diary.today
    lesson = diary.lessons(diary.class_of(child), RUSSIAN)[-1]
    # Of today, which is in the cabinet's school year in every season; the sample's first quarter may be in the last.
    mark = diary.mark("progress-1", child, lesson, "4", weight="2", comment="Аккуратно")
    mark |= {"lesson_on": today, "lesson_id": None}
    heavy = mark | {"mark_id": "progress-3", "value": "2", "weight": "3.5", "comment": ""}
    await diary.send("marks", mark, heavy)
    told = await diary.told.one(MarkRecorded, lambda one: one.comment == "Аккуратно")
    assert (told.student_id, told.lesson_on) == (child_id, today)
    assert (str(told.value), str(told.weight)) == ("4", "2.00")
    assert told.subject.title == "Русский язык"

    await diary.send(
        "attendance", {"attendance_id": "progress-2", "student_id": child, "lesson_on": today, "code": "б"}
    )
    illness = await diary.told.one(AttendanceRecorded, lambda one: (one.student_id, one.on) == (child_id, today))
    assert (illness.code.value, illness.state) == ("ill", "recorded")
    (absence,) = await diary.pages("attendance", student_id=child_id, from_=today, to=today)
    assert absence["code"] == "ill"

    begins = date(today.year if today.month >= 9 else today.year - 1, 9, 1)
    given = await diary.read(f"students/{child_id}/marks", subject_id=told.subject.id, from_=begins, to=today)
    mean = average(given)
    assert mean != average([one | {"weight": "1"} for one in given]), "weights matter here"
    finals = Counter(
        str(one.value) for one in diary.system.district.final_grades if one.student_id == child and not one.held
    )
    row = re.compile(rf'rowheader">Русский язык</th>(?:(?!</tr>).)*class="mean"[^>]*>{mean}</td>', re.DOTALL)
    async with diary.signed_in(parent) as cabinet:

        async def all_is_there() -> bool:
            marks = (await cabinet.get(f"/v1/me/children/{child_id}/marks")).json()
            page = (await cabinet.get(f"/children/{child_id}?period=year")).text
            results = (await cabinet.get(f"/v1/me/children/{child_id}/results")).json()
            grades = Counter(one["grade"] for one in results if one["period_kind"])
            in_list = str(told.mark_id) in [one["mark_id"] for one in marks]
            return in_list and row.search(page) is not None and not finals - grades

        await eventually(all_is_there, what="the cabinet shows the mark, the average and the final grades")
    heard = diary.told.all(FinalGradeSet, lambda one: one.student_id == child_id)
    assert not finals - Counter(str(one.value) for one in heard)


def average(marks: Sequence[Mapping[str, Any]]) -> str:
    """The mean of marks by their weights, as a Russian page writes it."""
    weight = sum(Decimal(one["weight"]) for one in marks)
    mean = sum((int(one["value"]) * Decimal(one["weight"]) for one in marks), Decimal(0)) / weight
    return str(mean.quantize(Decimal("0.01"), ROUND_HALF_UP)).replace(".", ",")


async def test_c2_2b_families_see_the_timetable_of_the_week_in_the_version_of_that_week(diary: Diary):
    group = diary.in_class(7)
    *_, before, after = quiet_mondays(diary)
    week = await diary.read(f"groups/{await diary.id('group', group)}/timetable", on=before)
    for day in week["days"]:
        own = slots(diary, group, date.fromisoformat(day["on"]))
        expected = [
            (one.number, str(await diary.id("subject", one.subject_id)), one.room, f"{one.starts_at}:00") for one in own
        ]
        shown = [(one["number"], one["subject_id"], one["room"], one["starts_at"]) for one in day["lessons"]]
        assert shown == sorted(expected)

    old = slots(diary, group, after)[0]
    ends = {**old._asdict(), "valid_to": after - timedelta(days=1)}
    follows = {**old._asdict(), "slot_id": "timetable-new", "room": "актовый зал", "valid_from": after}
    await diary.send("timetable", ends, follows)
    group_id = await diary.id("group", group)
    told = await diary.told.one(
        TimetableChanged,
        lambda one: one.group_id == group_id and any(slot.room == "актовый зал" for slot in one.slots),
    )
    versions = [slot for slot in told.slots if (slot.weekday, slot.number) == (old.weekday, old.number)]
    assert {(slot.room, slot.valid_from) for slot in versions} == {
        (old.room, old.valid_from),
        ("актовый зал", after),
    }
    assert len(told.slots) == 1 + sum(one.group_id == group for one in diary.system.district.timetable)
    for monday, room in ((before, old.room), (after, "актовый зал")):
        (lesson,) = [one for one in await lessons_on(diary, group, monday) if one["number"] == old.number]
        assert lesson["room"] == room


async def test_c2_2c_families_see_substitutions_and_moved_lessons_and_when_one_is_revoked(diary: Diary):
    first, last = diary.quarter
    listed = await diary.pages("substitutions", from_=first, to=last)
    assert Counter(one["kind"] for one in listed) == Counter(
        one.kind for one in diary.system.district.substitutions if first <= one.lesson_on <= last
    )

    group, monday = diary.in_class(6), next(quiet_mondays(diary))
    replaced, moved = slots(diary, group, monday)[:2]
    teacher = next(
        one.teacher_id for one in diary.system.district.timetable if one.teacher_id not in ("", replaced.teacher_id)
    )
    instead = {
        "substitution_id": "instead-1", "group_id": group, "lesson_on": monday, "number": replaced.number,
        "subject_id": replaced.subject_id, "kind": "replaced", "new_teacher_id": teacher, "reason": "illness",
    }  # fmt: skip
    later = {
        "substitution_id": "instead-2", "group_id": group, "lesson_on": monday, "number": moved.number,
        "subject_id": moved.subject_id, "kind": "moved", "moved_to_on": monday + timedelta(days=1),
        "moved_to_number": 8, "reason": "repair",
    }  # fmt: skip
    await diary.send("substitutions", instead, later)
    group_id, teacher_id = await diary.id("group", group), await diary.id("person", teacher)
    there = (group_id, monday)
    told = await diary.told.one(
        SubstitutionChanged, lambda one: (one.group_id, one.on) == there and one.reason == "illness"
    )
    assert (told.kind, told.number, told.state) == ("replaced", replaced.number, "announced")
    assert told.new_teacher_id == teacher_id
    told = await diary.told.one(
        SubstitutionChanged, lambda one: (one.group_id, one.on) == there and one.reason == "repair"
    )
    assert (told.kind, told.moved_to_on, told.moved_to_number) == ("moved", monday + timedelta(days=1), 8)

    day = {one["number"]: one for one in await lessons_on(diary, group, monday)}
    assert (day[replaced.number]["teacher_id"], day[moved.number]["state"]) == (str(teacher_id), "moved")
    assert day[moved.number]["moved_to"] == str(monday + timedelta(days=1))
    next_day = {one["number"]: one for one in await lessons_on(diary, group, monday + timedelta(days=1))}
    assert next_day[8]["moved_from"] == str(monday)

    await diary.send("substitutions", instead | {"state": "withdrawn"})
    revoked = await diary.told.one(
        SubstitutionChanged, lambda one: (one.group_id, one.on) == there and one.state == "revoked"
    )
    assert (revoked.kind, revoked.new_teacher_id, revoked.revision) == ("replaced", teacher_id, 2)
    day = {one["number"]: one for one in await lessons_on(diary, group, monday)}
    assert day[replaced.number]["teacher_id"] == str(await diary.id("person", replaced.teacher_id))


async def test_c2_2d_families_see_the_control_works_of_the_period_and_no_two_of_a_class_on_one_day(diary: Diary):
    group, (first, last) = diary.in_class(8), diary.quarter
    group_id, period_id = await diary.id("group", group), await diary.id("period", f"{SCHOOL}-quarter-1")
    of_period = await diary.pages("control-works", group_id=group_id, period_id=period_id)
    assert sorted((one["planned_on"], one["title"]) for one in of_period) == sorted(
        (str(one.planned_on), one.title)
        for one in diary.system.district.control_works
        if one.group_id == group and first <= one.planned_on <= last
    )

    *_, monday = quiet_mondays(diary)
    work = {
        "control_work_id": "control-1", "group_id": group, "subject_id": RUSSIAN, "planned_on": monday, "number": 2,
        "title": "Изложение",
    }  # fmt: skip
    await diary.send("control-works", work)
    told = await diary.told.one(ControlWorkChanged, lambda one: one.title == "Изложение")
    assert (told.group_id, told.on, told.number, told.state) == (group_id, monday, 2, "planned")
    second = work | {"control_work_id": "control-2", "subject_id": "subject-history", "planned_on": str(monday)}
    checked = await diary.post("control-works/check", [second])
    (clash,) = checked.json()["clashes"]
    assert (clash["rule"], clash["class_id"]) == ("same_day", str(group_id))
    assert clash["with_ids"] == [str(told.control_work_id)], "shown before it is saved"
    assert (await diary.refused("control-works", second))["code"] == "control_work_clash"

    await diary.send("control-works", work | {"state": "withdrawn"})
    cancelled = await diary.told.one(
        ControlWorkChanged, lambda one: one.title == "Изложение" and one.state == "cancelled"
    )
    assert cancelled.revision == 2
    await diary.send("control-works", second)


async def test_c2_2e_families_see_who_teaches_the_class_the_study_group_the_stream_and_the_individual_plan(
    diary: Diary,
):
    group = diary.in_class(8)
    student, teaching = diary.students(group)[0], diary.system.district.teaching
    kinds = ("study_group", "study_stream", "individual_plan")
    teacher = next(one.teacher_id for one in teaching if (one.group_id, one.role) == (group, "class_teacher"))
    await diary.send(
        "groups",
        *(
            {"group_id": f"of-{kind}", "school_id": SCHOOL, "kind": kind, "name": f"Чтение: {kind}", "grade_level": 8}
            for kind in kinds
        ),
    )
    await diary.send("members", *({"group_id": f"of-{kind}", "person_id": student} for kind in kinds))
    await diary.send(
        "teaching",
        *(
            {"teaching_id": f"of-{kind}", "teacher_id": teacher, "group_id": f"of-{kind}", "subject_id": RUSSIAN}
            for kind in kinds
        ),
    )
    student_id, teacher_id = await diary.id("person", student), await diary.id("person", teacher)
    for kind in kinds:
        group_id = await diary.id("group", f"of-{kind}")
        told = await taught(diary, group_id)
        assert (told.kind.value, told.member_ids) == (kind, [student_id])
        assert [(one.teacher_id, one.subject.title) for one in told.teachers] == [(teacher_id, "Русский язык")]
        (shown,) = await diary.read(f"groups/{group_id}/teachers")
        assert (shown["teacher_id"], shown["subject"]) == (str(teacher_id), "Русский язык")

    group_id = await diary.id("group", group)
    told = await diary.told.one(StudyGroupChanged, lambda one: one.group_id == group_id and bool(one.class_teacher_id))
    expected = {
        (await diary.id("person", one.teacher_id), await diary.id("subject", one.subject_id))
        for one in teaching
        if one.group_id == group and one.subject_id
    }
    assert {(one.teacher_id, one.subject.id) for one in told.teachers} == expected
    assert (told.kind.value, told.class_teacher_id) == ("class", teacher_id)
    assert {student_id} <= set(told.member_ids)


async def taught(diary: Diary, group_id: UUID) -> StudyGroupChanged:
    """A group whose teachers were told."""
    return await diary.told.one(StudyGroupChanged, lambda one: one.group_id == group_id and bool(one.teachers))


async def test_c2_2f_families_see_the_holidays_of_the_school_year(diary: Diary):
    holidays = {(one.title, str(one.starts_on), str(one.ends_on)) for one in diary.system.district.holidays}
    last = max(one.starts_on for one in diary.system.district.holidays)
    camp = ("Школьный лагерь", str(last + WEEK), str(last + 2 * WEEK))
    await diary.send(
        "holidays",
        {
            "holiday_id": "holiday-new", "school_id": SCHOOL, "school_year": diary.school_year, "title": camp[0],
            "starts_on": camp[1], "ends_on": camp[2],
        },
    )  # fmt: skip
    told = await diary.told.one(HolidaysChanged, lambda one: "Школьный лагерь" in [free.title for free in one.holidays])
    assert (told.school_id, told.school_year) == (diary.system.schools[SCHOOL], diary.school_year)
    assert {(one.title, str(one.starts_on), str(one.ends_on)) for one in told.holidays} == holidays | {camp}
    calendar = await diary.read("calendar", school_year=diary.school_year)
    assert {(one["title"], one["starts_on"], one["ends_on"]) for one in calendar["holidays"]} == holidays | {camp}


async def test_c2_2g_families_see_the_homework_with_its_links_also_when_only_their_child_has_it(diary: Diary):
    group = diary.in_class(7)
    one, another = diary.students(group)[:2]
    lesson = diary.lessons(group, RUSSIAN)[-1]
    own = {
        "homework_id": "homework-own", "group_id": group, "subject_id": RUSSIAN, "lesson_id": lesson.lesson_id,
        "assigned_on": lesson.lesson_on, "content": "Сделать работу над ошибками", "student_ids": [one],
        "attachments": [{"title": "Карточка", "url": "https://journal.example/cards/81"}],
    }  # fmt: skip
    await diary.send("homework", own)
    told = await diary.told.one(HomeworkChanged, lambda event: event.text == "Сделать работу над ошибками")
    assert told.for_student_ids == [await diary.id("person", one)]
    assert [(link.title, str(link.url)) for link in told.attachments] == [
        ("Карточка", "https://journal.example/cards/81")
    ]
    assert (told.lesson_id, told.state) == (await diary.id("lesson", lesson.lesson_id), "assigned")

    everybodys = {
        homework.content
        for homework in diary.system.district.homework
        if homework.group_id == group and not homework.student_ids
    }
    for student, with_own in ((one, True), (another, False)):
        listed = await diary.pages("homework", student_id=await diary.id("person", student))
        contents = {homework["content"] for homework in listed}
        assert everybodys <= contents
        assert (own["content"] in contents) is with_own


async def test_c2_2h_families_see_the_recommendations_of_teachers_to_the_child_and_to_the_class(diary: Diary):
    group = diary.in_class(7)
    one, another = diary.students(group)[:2]
    teacher = diary.lessons(group)[0].teacher_id
    first, _ = diary.quarter
    advice = {"subject_id": RUSSIAN, "given_on": first, "author_id": teacher}
    await diary.send(
        "recommendations",
        advice | {"recommendation_id": "advice-1", "student_id": one, "content": "Читать вслух каждый день"},
        advice | {"recommendation_id": "advice-2", "group_id": group, "content": "Повторить словарные слова"},
    )
    told = await diary.told.one(RecommendationChanged, lambda event: event.text == "Читать вслух каждый день")
    assert told.student_id == await diary.id("person", one)
    assert (told.author_id, told.on, told.kind) == (await diary.id("person", teacher), first, "recommendation")
    to_class = await diary.told.one(RecommendationChanged, lambda event: event.text == "Повторить словарные слова")
    assert (to_class.student_id, to_class.group_id) == (None, await diary.id("group", group))
    for student, with_own in ((one, True), (another, False)):
        listed = await diary.pages("recommendations", student_id=await diary.id("person", student), from_=first)
        contents = {item["content"] for item in listed}
        assert "Повторить словарные слова" in contents
        assert ("Читать вслух каждый день" in contents) is with_own
