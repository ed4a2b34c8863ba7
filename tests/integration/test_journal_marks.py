"""Marks on a real database: each refusal, transfers in the middle of a period, and what a correction keeps."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.database import DISTRICT
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged
from contracts.study_group_changed import StudyGroupChanged
from services.gradebook import policy_queries
from services.gradebook.days import turn_the_day
from services.gradebook.policy import SchoolPolicy
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from tests.integration.journal_school import codes, kept, row, state
from tests.integration.test_gradebook_journal import Journal, district, journal, last

__all__ = ["district", "journal", "kept"]


def a_mark(mark_id: str = "n1", **changes: Any) -> dict[str, Any]:
    """A mark of Anna in Russian, in her class."""
    fields = {
        "mark_id": mark_id,
        "student_id": "s1",
        "subject_id": "rus",
        "group_id": "7a",
        "lesson_on": "2026-10-12",
        "work_type": "answer",
        "value": "5",
    }
    return fields | changes


async def refused(journal: Journal, *marks: dict[str, Any]) -> list[tuple[int, str, Code]]:
    """Sends marks; returns what was not taken, and sees that nothing was told of it."""
    outcome = await state(journal, RecordKind.MARKS, *marks)
    assert len(await journal.told()) == outcome.added + outcome.changed
    return codes(outcome)


async def set_policy(journal: Journal, policy: SchoolPolicy, valid_from: date = date(2026, 9, 1)) -> bool:
    """States the settings of school 1."""
    async with journal.database.transaction(DISTRICT) as conn:
        return await policy_queries.set_policy(
            conn,
            await journal.id_of("school", "1"),
            valid_from=valid_from,
            policy=policy,
            changed_by="client:test",
            now=journal.clock.at,
        )


async def test_a_mark_tells_its_lesson_author_and_comment(kept: Journal) -> None:
    mark = a_mark(lesson_id="l1", author_id="t1", comment="Выразительное чтение")
    assert (await state(kept, RecordKind.MARKS, mark)).added == 1
    (told,) = await kept.told()
    assert isinstance(told, MarkRecorded)
    assert told.lesson_id == await kept.id_of("lesson", "l1")
    assert told.author_id == await kept.id_of("person", "t1")
    assert told.comment == "Выразительное чтение"
    assert (await state(kept, RecordKind.MARKS, mark)).unchanged == 1


async def test_a_correction_keeps_who_why_and_what_was_before(kept: Journal) -> None:
    await state(kept, RecordKind.MARKS, a_mark(author_id="t1"))
    kept.clock.advance(timedelta(hours=1))
    correction = a_mark(value="4", author_id="t1", reason="Ошибка при записи")
    assert (await state(kept, RecordKind.MARKS, correction)).changed == 1
    mark_id = await kept.id_of("mark", "n1")
    (before,) = await kept.rows("SELECT * FROM mark_history WHERE mark_id = $1", mark_id)
    (now,) = await kept.rows("SELECT * FROM marks WHERE mark_id = $1", mark_id)
    assert (before["value"], before["reason"], before["changed_by"]) == ("5", None, "client:test")
    assert (now["value"], now["reason"], now["revision"]) == ("4", "Ошибка при записи", 2)
    assert now["recorded_at"] == before["recorded_at"] + timedelta(hours=1)
    assert list(before) == list(now)


async def test_a_mark_of_tomorrow_is_refused_and_todays_is_taken(kept: Journal) -> None:
    assert await refused(kept, a_mark(lesson_on="2026-10-24"), a_mark("n2", lesson_on="2026-10-23")) == [
        (0, "lesson_on", Code.IN_FUTURE)
    ]


async def test_the_schools_time_zone_says_what_tomorrow_is(kept: Journal) -> None:
    kept.clock.advance(datetime(2026, 10, 23, 21, 30, tzinfo=UTC) - kept.clock.at)
    assert await refused(kept, a_mark(lesson_on="2026-10-24")) == []


async def test_a_mark_of_a_stranger_to_the_group_is_refused(kept: Journal) -> None:
    assert await refused(kept, a_mark(group_id="7a-alg", student_id="s2")) == [(0, "group_id", Code.NOT_IN_GROUP)]


async def test_a_mark_outside_the_schools_scale_is_refused(kept: Journal) -> None:
    await set_policy(kept, SchoolPolicy(scale=("2", "3", "4", "5")))
    assert await refused(kept, a_mark(value="1"), a_mark("n2", value="зач"), a_mark("n3")) == [
        (0, "value", Code.OUTSIDE_SCALE),
        (1, "value", Code.OUTSIDE_SCALE),
    ]


async def test_a_mark_in_grade_one_is_refused(kept: Journal) -> None:
    await kept.take(
        {
            "groups": "group_id,school_id,kind,name,grade_level,subject_id\n1a,1,class,1А,1,\n",
            "people": "person_id,role,family,given,school_id\nf1,student,Первый,Пётр,1\n",
            "members": "group_id,person_id\n1a,f1\n",
        }
    )
    await kept.told()
    first = a_mark(student_id="f1", group_id="1a")
    alone = a_mark("n2", student_id="f1", group_id=None)
    assert await refused(kept, first, alone) == [(0, "value", Code.GRADE_ONE), (1, "value", Code.GRADE_ONE)]


async def close(journal: Journal, period: str) -> None:
    """The school closes a period."""
    await journal.rows(
        "UPDATE periods SET closed_at = $2 WHERE period_id = $1",
        await journal.id_of("period", period),
        journal.clock.at,
    )


async def test_a_closed_period_keeps_its_marks_as_they_are(kept: Journal) -> None:
    assert await refused(kept, a_mark()) == []
    await close(kept, "q1")
    moved = a_mark(lesson_on="2026-08-31")
    for change in (a_mark("n2"), a_mark(value="4"), a_mark(state="withdrawn"), moved):
        assert await refused(kept, change) == [(0, "lesson_on", Code.PERIOD_CLOSED)]
    assert (await state(kept, RecordKind.MARKS, a_mark())).unchanged == 1
    (mark,) = await kept.rows("SELECT * FROM marks WHERE mark_id = $1", await kept.id_of("mark", "n1"))
    assert (mark["value"], mark["state"], mark["revision"]) == ("5", "recorded", 1)


async def test_a_period_closed_for_one_class_takes_marks_of_the_others(kept: Journal) -> None:
    await kept.take({"groups": "group_id,school_id,kind,name,grade_level,subject_id\n7v,1,class,7В,7,\n"})
    await kept.take({"members": "group_id,person_id,state\n7a,s2,withdrawn\n7v,s2,\n"})
    await kept.told()
    await kept.rows(
        "INSERT INTO period_closings (closing_id, school_id, period_id, class_id, state, reason, changed_by,"
        " changed_at, revision) VALUES (gen_random_uuid(), $1, $2, $3, 'closed', '', 'test', $4, 1)",
        await kept.id_of("school", "1"),
        await kept.id_of("period", "q1"),
        await kept.id_of("group", "7a"),
        kept.clock.at,
    )
    other = a_mark("n2", student_id="s2", group_id="7v")
    assert await refused(kept, a_mark(), other) == [(0, "lesson_on", Code.PERIOD_CLOSED)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lesson_id": "never"},
        {"lesson_id": "l1", "lesson_on": "2026-10-13"},
        {"lesson_id": "l1", "subject_id": "alg"},
        {"lesson_id": "l1", "group_id": "7a-alg"},
    ],
    ids=["unknown", "another day", "another subject", "another group"],
)
async def test_a_mark_names_a_lesson_that_took_place_with_it(kept: Journal, wrong: dict[str, str]) -> None:
    assert await refused(kept, a_mark(**wrong)) == [(0, "lesson_id", Code.NO_LESSON)]


async def test_a_mark_of_a_cancelled_lesson_is_refused(kept: Journal) -> None:
    await state(kept, RecordKind.LESSONS, row(RecordKind.LESSONS, status="cancelled"))
    await kept.told()
    assert await refused(kept, a_mark(lesson_id="l1")) == [(0, "lesson_id", Code.NO_LESSON)]


async def test_where_the_timetable_is_kept_here_a_mark_needs_a_lesson(kept: Journal) -> None:
    await set_policy(kept, SchoolPolicy(marks_need_lessons=True))
    weekly, none, dated, other = (
        a_mark("n1", lesson_on="2026-10-05"),
        a_mark("n2", lesson_on="2026-10-06"),
        a_mark("n3", lesson_on="2026-10-12"),
        a_mark("n4", lesson_on="2026-10-05", subject_id="alg"),
    )
    found = await refused(kept, weekly, none, dated, other)
    assert found == [(1, "lesson_on", Code.NO_LESSON), (3, "lesson_on", Code.NO_LESSON)]


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"kind": "cancelled", "new_teacher_id": None, "new_room": ""}, False),
        ({"kind": "moved", "new_teacher_id": None, "new_room": "", "moved_to_on": "2026-10-07"}, False),
        ({"kind": "replaced", "new_subject_id": "alg"}, False),
        ({"kind": "replaced"}, True),
        ({"kind": "cancelled", "new_teacher_id": None, "new_room": "", "state": "withdrawn"}, True),
    ],
    ids=["cancelled", "moved away", "another subject", "another teacher", "revoked"],
)
async def test_a_substitution_decides_whether_there_was_a_lesson(
    kept: Journal, change: dict[str, Any], taken: bool
) -> None:
    await set_policy(kept, SchoolPolicy(marks_need_lessons=True))
    substitution = {
        "substitution_id": "u9",
        "group_id": "7a",
        "lesson_on": "2026-10-05",
        "number": 2,
        "subject_id": "rus",
        "new_teacher_id": "t1",
    }
    active = {name: value for name, value in (substitution | change).items() if value not in (None, "", "withdrawn")}
    assert (await state(kept, RecordKind.SUBSTITUTIONS, active)).added == 1
    if change.get("state"):
        await state(kept, RecordKind.SUBSTITUTIONS, active | {"state": "withdrawn"})
    await kept.told()
    found = await refused(kept, a_mark(lesson_on="2026-10-05"))
    assert found == ([] if taken else [(0, "lesson_on", Code.NO_LESSON)])
    if change["kind"] == "moved":
        assert await refused(kept, a_mark("n2", lesson_on="2026-10-07")) == []


async def test_in_holidays_there_are_no_lessons(kept: Journal) -> None:
    await set_policy(kept, SchoolPolicy(marks_need_lessons=True))
    kept.clock.advance(timedelta(days=5))
    assert await refused(kept, a_mark(lesson_on="2026-10-26")) == [(0, "lesson_on", Code.NO_LESSON)]


async def test_one_bad_mark_does_not_cost_the_others(kept: Journal) -> None:
    outcome = await state(kept, RecordKind.MARKS, a_mark(), a_mark("n2", lesson_on="2026-12-01"), a_mark("n3"))
    assert (outcome.added, codes(outcome)) == (2, [(1, "lesson_on", Code.IN_FUTURE)])


async def test_a_student_who_leaves_keeps_the_marks_and_gets_none_after_the_last_day(kept: Journal) -> None:
    await kept.take({"groups": "group_id,school_id,kind,name,grade_level,subject_id\n7v,1,class,7В,7,\n"})
    assert (await state(kept, RecordKind.MARKS, a_mark(lesson_on="2026-10-09"))).added == 1
    await kept.take({"members": "group_id,person_id,joined_on,left_on\n7a,s1,,2026-10-12\n7v,s1,2026-10-13,\n"})
    await kept.told()
    found = await refused(
        kept,
        a_mark("n2", lesson_on="2026-10-12"),
        a_mark("n3", lesson_on="2026-10-13"),
        a_mark("n4", lesson_on="2026-10-13", group_id="7v"),
        a_mark("n5", lesson_on="2026-10-12", group_id="7v"),
    )
    assert found == [(1, "group_id", Code.NOT_IN_GROUP), (3, "group_id", Code.NOT_IN_GROUP)]
    rows = await kept.rows(
        "SELECT external_id FROM marks WHERE student_id = $1 AND subject_id = $2 ORDER BY external_id",
        await kept.id_of("person", "s1"),
        await kept.id_of("subject", "rus"),
    )
    assert [item["external_id"] for item in rows] == ["n1", "n2", "n4"]


async def test_whoever_comes_back_was_there_before_too(kept: Journal) -> None:
    await kept.take({"members": "group_id,person_id,left_on\n7a,s1,2026-09-30\n"})
    await kept.take({"members": "group_id,person_id,joined_on\n7a,s1,2026-10-12\n"})
    await kept.told()
    found = await refused(
        kept,
        a_mark("n1", lesson_on="2026-09-30"),
        a_mark("n2", lesson_on="2026-10-01"),
        a_mark("n3", lesson_on="2026-10-12"),
    )
    assert found == [(1, "group_id", Code.NOT_IN_GROUP)]
    (former,) = await kept.rows("SELECT * FROM former_memberships")
    assert former["left_on"] == date(2026, 9, 30)
    again = await kept.take({"members": "group_id,person_id,joined_on\n7a,s1,2026-10-12\n"})
    assert again.of(RecordKind.MEMBERS).unchanged == 1


async def test_whoever_leaves_without_a_day_leaves_today(kept: Journal) -> None:
    await kept.take({"members": "group_id,person_id,state\n7a,s1,withdrawn\n"})
    (member,) = await kept.rows(
        "SELECT * FROM group_members WHERE group_id = $1 AND person_id = $2",
        await kept.id_of("group", "7a"),
        await kept.id_of("person", "s1"),
    )
    assert (member["active"], member["left_on"]) == (False, date(2026, 10, 23))
    await kept.told()
    assert await refused(kept, a_mark(lesson_on="2026-10-23")) == []


async def test_a_transfer_that_is_announced_happens_on_its_day(kept: Journal) -> None:
    await kept.take({"groups": "group_id,school_id,kind,name,grade_level,subject_id\n7v,1,class,7В,7,\n"})
    members = "group_id,person_id,joined_on,left_on\n7a,s1,,2026-10-25\n7v,s1,2026-10-26,\n"
    await kept.take({"members": members})
    await kept.told()
    assert await refused(kept, a_mark(group_id="7v", lesson_on="2026-10-23")) == [(0, "group_id", Code.NOT_IN_GROUP)]
    assert await turn_the_day(kept.database, kept.clock) == 0
    kept.clock.advance(datetime(2026, 10, 25, 21, 0, tzinfo=UTC) - kept.clock.at)
    assert await turn_the_day(kept.database, kept.clock) == 2
    events = await kept.told()
    anna = last(events, PersonChanged)
    assert (anna.person_id, anna.enrolment.class_name) == (await kept.id_of("person", "s1"), "7В")
    assert Counter(type(event) for event in events) == {StudyGroupChanged: 2, PersonChanged: 1}
    assert await turn_the_day(kept.database, kept.clock) == 0
    assert (await kept.take({"members": members})).of(RecordKind.MEMBERS).unchanged == 2


async def test_a_class_teacher_who_begins_later_is_told_on_the_day(kept: Journal) -> None:
    await kept.take({"people": "person_id,role,family,given,school_id\nt2,teacher,Новая,Вера,1\n"})
    coming = {"teaching_id": "w9", "teacher_id": "t2", "group_id": "7a", "role": "class_teacher"}
    assert (await state(kept, RecordKind.TEACHING, coming | {"starts_on": "2026-10-26"})).added == 1
    kept.clock.advance(timedelta(days=3))
    await kept.told()
    assert await turn_the_day(kept.database, kept.clock) == 1
    (told,) = await kept.told()
    assert isinstance(told, StudyGroupChanged)
    assert told.class_teacher_id == await kept.id_of("person", "t2")
    assert await turn_the_day(kept.database, kept.clock) == 0


async def test_settings_are_kept_as_versions_with_their_history(kept: Journal) -> None:
    assert await set_policy(kept, SchoolPolicy(minimum_marks=4))
    assert not await set_policy(kept, SchoolPolicy(minimum_marks=4))
    assert await set_policy(kept, SchoolPolicy(minimum_marks=5))
    assert await set_policy(kept, SchoolPolicy(minimum_marks=6), date(2026, 11, 1))
    (old,) = await kept.rows("SELECT * FROM school_policy_history")
    assert (old["policy"]["minimum_marks"], old["revision"]) == (4, 1)
    school_id = await kept.id_of("school", "1")
    async with kept.database.transaction(DISTRICT) as conn:
        found = [
            (await policy_queries.policy_on(conn, school_id, day)).minimum_marks
            for day in (date(2026, 8, 31), date(2026, 9, 1), date(2026, 10, 31), date(2026, 11, 1))
        ]
    assert found == [3, 5, 5, 6]
