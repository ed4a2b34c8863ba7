"""The whole journal on a real database: taken, told, corrected, taken back, with its history, and replayed."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from chassis.database import DISTRICT
from contracts.attendance_recorded import AttendanceRecorded
from contracts.base import Event
from contracts.control_work_changed import ControlWorkChanged
from contracts.holidays_changed import HolidaysChanged
from contracts.homework_changed import HomeworkChanged
from contracts.lesson_changed import LessonChanged
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import StudyGroupChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.timetable_changed import TimetableChanged
from services.gradebook import erasing, fact_tables
from services.gradebook.fact_tables import FactTable
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from services.gradebook.replay import replay
from tests.integration.journal_school import JOURNAL_FILES, codes, kept, row, state
from tests.integration.test_gradebook_journal import DISTRICT_FILES, Journal, district, journal, last

__all__ = ["district", "journal", "kept"]

TABLES: dict[RecordKind, tuple[FactTable[Any], str]] = {
    RecordKind.CAMPUSES: (fact_tables.CAMPUSES, "campus_history"),
    RecordKind.SCHOOL_YEARS: (fact_tables.SCHOOL_YEARS, "school_year_history"),
    RecordKind.HOLIDAYS: (fact_tables.HOLIDAYS, "holiday_history"),
    RecordKind.TEACHING: (fact_tables.TEACHING, "teaching_history"),
    RecordKind.CURRICULUM: (fact_tables.CURRICULUM, "curriculum_history"),
    RecordKind.TIMETABLE: (fact_tables.SLOTS, "timetable_slot_history"),
    RecordKind.LESSONS: (fact_tables.LESSONS, "lesson_history"),
    RecordKind.SUBSTITUTIONS: (fact_tables.SUBSTITUTIONS, "substitution_history"),
    RecordKind.CONTROL_WORKS: (fact_tables.CONTROL_WORKS, "control_work_history"),
    RecordKind.HOMEWORK: (fact_tables.HOMEWORK, "homework_history"),
    RecordKind.RECOMMENDATIONS: (fact_tables.RECOMMENDATIONS, "recommendation_history"),
    RecordKind.ATTENDANCE: (fact_tables.ATTENDANCE, "attendance_history"),
}

CORRECTIONS: dict[RecordKind, dict[str, Any]] = {
    RecordKind.CAMPUSES: {"title": "Новое здание"},
    RecordKind.SCHOOL_YEARS: {"ends_on": "2027-06-01"},
    RecordKind.HOLIDAYS: {"ends_on": "2026-11-04"},
    RecordKind.TEACHING: {"ends_on": "2026-12-31"},
    RecordKind.CURRICULUM: {"hours": "25"},
    RecordKind.TIMETABLE: {"room": "206"},
    RecordKind.LESSONS: {"topic": "Деепричастие"},
    RecordKind.SUBSTITUTIONS: {"new_room": "102"},
    RecordKind.CONTROL_WORKS: {"title": "Изложение"},
    RecordKind.HOMEWORK: {"content": "§ 8"},
    RecordKind.RECOMMENDATIONS: {"content": "Писать диктанты"},
    RecordKind.ATTENDANCE: {"code": "у"},
}
"""A correction of the first record of each kind."""

TOLD: dict[RecordKind, type[Event] | None] = {
    RecordKind.CAMPUSES: None,
    RecordKind.CURRICULUM: None,
    RecordKind.SCHOOL_YEARS: HolidaysChanged,
    RecordKind.HOLIDAYS: HolidaysChanged,
    RecordKind.TEACHING: StudyGroupChanged,
    RecordKind.TIMETABLE: TimetableChanged,
    RecordKind.LESSONS: LessonChanged,
    RecordKind.SUBSTITUTIONS: SubstitutionChanged,
    RecordKind.CONTROL_WORKS: ControlWorkChanged,
    RecordKind.HOMEWORK: HomeworkChanged,
    RecordKind.RECOMMENDATIONS: RecommendationChanged,
    RecordKind.ATTENDANCE: AttendanceRecorded,
}

each_kind = pytest.mark.parametrize("kind", list(TABLES), ids=str)


def one(kind: RecordKind, **changes: Any) -> dict[str, Any]:
    """The first record of a kind; homework without its list in a cell, whose comma the test's reader does not know."""
    if kind is RecordKind.HOMEWORK:
        fields = {
            "homework_id": "d1",
            "group_id": "7a",
            "subject_id": "rus",
            "lesson_id": "l1",
            "assigned_on": "2026-10-12",
            "due_on": "2026-10-19",
            "content": "§ 7, упр. 81",
            "attachments": [
                "Карточка https://journal.example/81",
                {"title": "Ещё", "url": "https://journal.example/82"},
            ],
        }
        return fields | changes
    return row(kind, **changes)


async def test_the_whole_journal_is_taken_and_what_families_see_is_told(district: Journal) -> None:
    report = await district.take(dict(JOURNAL_FILES))

    assert report.rejections == []
    added = {str(kind): counts.added for kind, counts in report.counts.items()}
    assert added == {name: len(text.splitlines()) - 1 for name, text in JOURNAL_FILES.items()}
    events = await district.told()
    newest = {(type(event), event.aggregate()): event for event in events}
    assert Counter(kind for kind, _ in newest) == {
        HolidaysChanged: 1,
        StudyGroupChanged: 2,
        TimetableChanged: 2,
        LessonChanged: 2,
        SubstitutionChanged: 1,
        ControlWorkChanged: 1,
        HomeworkChanged: 2,
        RecommendationChanged: 2,
        AttendanceRecorded: 2,
    }
    calendar = last(events, HolidaysChanged)
    assert (calendar.school_year, str(calendar.starts_on), len(calendar.holidays)) == ("2026/2027", "2026-09-01", 1)
    teacher = await district.id_of("person", "t1")
    group = last(events, StudyGroupChanged, group_id=await district.id_of("group", "7a"))
    assert group.class_teacher_id == teacher
    assert [(item.teacher_id, item.subject.title) for item in group.teachers] == [(teacher, "Русский язык")]
    timetable = last(events, TimetableChanged, group_id=group.group_id)
    assert [(slot.weekday, slot.number, slot.starts_at, slot.room) for slot in timetable.slots] == [
        (1, 2, "09:25", "204")
    ]
    homework = last(events, HomeworkChanged, homework_id=await district.id_of("homework", "d1"))
    assert [(item.title, item.url) for item in homework.attachments] == [
        ("Карточка", "https://journal.example/81"),
        ("https://journal.example/82", "https://journal.example/82"),
    ]
    single = last(events, HomeworkChanged, homework_id=await district.id_of("homework", "d2"))
    assert single.for_student_ids == [await district.id_of("person", "s2")]
    assert await district.rows("SELECT student_id FROM homework_students") == [
        {"student_id": await district.id_of("person", "s2")}
    ]


async def test_the_same_journal_again_changes_nothing(kept: Journal) -> None:
    kept.clock.advance(timedelta(days=1))
    report = await kept.take({**DISTRICT_FILES, **JOURNAL_FILES})

    assert report.rejections == []
    assert {counts.added + counts.changed for counts in report.counts.values()} == {0}
    assert await kept.told() == []
    for table, history in TABLES.values():
        assert await kept.rows(f"SELECT * FROM {history}") == [], table.name


@each_kind
async def test_a_correction_is_a_revision_with_its_author_and_time_and_the_old_one_is_kept(
    kept: Journal, kind: RecordKind
) -> None:
    kept.clock.advance(timedelta(hours=1))
    table, history = TABLES[kind]
    outcome = await state(kept, kind, one(kind, author_id="t1", **CORRECTIONS[kind]))

    assert (outcome.changed, outcome.rejected) == (1, [])
    (old,) = await kept.rows(f"SELECT * FROM {history}")
    (new,) = await kept.rows(f"SELECT * FROM {table.name} WHERE {table.key} = $1", old[table.key])
    assert (old["revision"], new["revision"]) == (1, 2)
    assert (old["changed_by"], new["changed_by"]) == ("import:district", "client:test")
    assert new["author_id"] == await kept.id_of("person", "t1")
    assert new["changed_at"] == kept.clock.at == old["changed_at"] + timedelta(hours=1)
    told = TOLD[kind]
    events = await kept.told()
    assert [type(event) for event in events] == ([] if told is None else [told])
    again = await state(kept, kind, one(kind, author_id="t1", **CORRECTIONS[kind]))
    assert (again.unchanged, again.changed, await kept.told()) == (1, 0, [])


@each_kind
async def test_what_is_taken_back_stays_in_the_table_and_comes_back_as_it_was(kept: Journal, kind: RecordKind) -> None:
    gone = one(kind, state="withdrawn")
    assert (await state(kept, kind, gone)).changed == 1
    assert (await state(kept, kind, gone)).unchanged == 1
    table, history = TABLES[kind]
    (old,) = await kept.rows(f"SELECT * FROM {history}")
    (row_now,) = await kept.rows(f"SELECT * FROM {table.name} WHERE {table.key} = $1", old[table.key])
    assert row_now["state"] in ("withdrawn", "revoked", "cancelled")
    assert len(await kept.told()) == (TOLD[kind] is not None)
    assert (await state(kept, kind, one(kind))).changed == 1
    (row_now,) = await kept.rows(f"SELECT * FROM {table.name} WHERE {table.key} = $1", old[table.key])
    assert (row_now["state"], row_now["revision"]) == (old["state"], 3)


@each_kind
async def test_a_reference_to_nothing_known_is_refused(kept: Journal, kind: RecordKind) -> None:
    record = one(kind)
    id_field = fact_id_field(record)
    refused = await state(kept, kind, record | {id_field: "new", "author_id": "s1"})
    assert codes(refused) == [(0, "author_id", Code.ORPHAN_ROW)]
    for name in ("group_id", "subject_id", "teacher_id", "student_id", "lesson_id", "period_id", "new_teacher_id"):
        if name in record and name != id_field:
            refused = await state(kept, kind, record | {id_field: "new", name: "nobody"})
            assert codes(refused) == [(0, name, Code.ORPHAN_ROW)]
    withdrawn = await state(kept, kind, record | {id_field: "never", "state": "withdrawn"})
    assert codes(withdrawn) == [(0, id_field, Code.ORPHAN_ROW)]
    assert await kept.told() == []


def fact_id_field(record: dict[str, Any]) -> str:
    """The field with the record's own id: the first column."""
    return next(iter(record))


async def test_a_lesson_cannot_move_to_another_group_nor_attendance_to_another_student(kept: Journal) -> None:
    lesson = await state(kept, RecordKind.LESSONS, one(RecordKind.LESSONS, group_id="7a-alg"))
    assert codes(lesson) == [(0, "lesson_id", Code.IDENTITY_CHANGED)]
    attendance = await state(kept, RecordKind.ATTENDANCE, one(RecordKind.ATTENDANCE, student_id="s2"))
    assert codes(attendance) == [(0, "attendance_id", Code.IDENTITY_CHANGED)]


async def test_homework_given_to_others_is_found_by_them(kept: Journal) -> None:
    changed = one(RecordKind.HOMEWORK, homework_id="d2", lesson_id=None, student_ids=["s1"], attachments=[])
    assert (await state(kept, RecordKind.HOMEWORK, changed)).changed == 1
    assert await kept.rows("SELECT student_id FROM homework_students") == [
        {"student_id": await kept.id_of("person", "s1")}
    ]


async def test_a_subject_with_a_new_title_shows_in_timetable_and_teachers(kept: Journal) -> None:
    await kept.take({"subjects": "subject_id,title\nrus,Родной язык\n"})
    events = await kept.told()
    assert last(events, TimetableChanged).slots[0].subject.title == "Родной язык"
    assert last(events, StudyGroupChanged).teachers[0].subject.title == "Родной язык"


async def test_a_replay_tells_every_aggregate_again_under_the_same_ids(kept: Journal) -> None:
    await state(kept, RecordKind.LESSONS, one(RecordKind.LESSONS, topic="Деепричастие"))
    before = {event.event_id() for event in await kept.told()}
    await replay(kept.database)
    events = await kept.told()
    kinds = Counter(type(event) for event in events)
    assert {kind: kinds[kind] for kind in TOLD.values() if kind is not None} == {
        HolidaysChanged: 1,
        StudyGroupChanged: 3,
        TimetableChanged: 2,
        LessonChanged: 2,
        SubstitutionChanged: 1,
        ControlWorkChanged: 1,
        HomeworkChanged: 2,
        RecommendationChanged: 2,
        AttendanceRecorded: 2,
    }
    assert before <= {event.event_id() for event in events}


async def test_a_replay_tells_nothing_about_who_was_erased(kept: Journal) -> None:
    gone = await kept.id_of("person", "s1")
    about = (AttendanceRecorded, RecommendationChanged)
    await kept.told()
    await replay(kept.database)
    before = [event for event in await kept.told() if isinstance(event, about)]
    assert {type(event) for event in before if event.student_id == gone} == set(about)
    async with kept.database.transaction(DISTRICT) as conn:
        await erasing.erase_person(conn, gone, kept.clock.at)
    await kept.told()
    await replay(kept.database)

    told = [event for event in await kept.told() if isinstance(event, about)]
    assert {event.event_id() for event in told} == {event.event_id() for event in before if event.student_id != gone}


@pytest.mark.parametrize("kind", list(TABLES), ids=str)
async def test_the_columns_of_table_history_and_fact_are_the_same(journal: Journal, kind: RecordKind) -> None:
    table, history = TABLES[kind]
    names = "SELECT array_agg(column_name::text ORDER BY ordinal_position) AS names FROM information_schema.columns"
    for name in (table.name, history):
        (found,) = await journal.rows(f"{names} WHERE table_name = $1", name)
        assert found["names"] == list(table.columns)


async def test_history_cannot_be_changed_by_the_service(kept: Journal) -> None:
    async with kept.database.transaction(DISTRICT) as conn:
        for _, history in TABLES.values():
            for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
                allowed = await conn.fetchval("SELECT has_table_privilege($1, $2)", history, privilege)
                assert not allowed, (history, privilege)


async def test_the_roster_has_a_history_of_who_stated_what_and_when(kept: Journal) -> None:
    before = await kept.rows("SELECT * FROM roster_statements")
    assert {item["changed_by"] for item in before} == {"import:district"}
    assert Counter(item["kind"] for item in before) == {
        "schools": 2, "subjects": 2, "periods": 2, "people": 6, "groups": 3, "members": 4, "representatives": 2,
    }  # fmt: skip
    kept.clock.advance(timedelta(hours=1))
    group = {"group_id": "7a", "school_id": "1", "kind": "class", "name": "7А+", "grade_level": 7}
    same = {"group_id": "7a-alg", "school_id": "1", "kind": "study_group", "name": "7А алгебра", "grade_level": 7}
    outcome = await state(kept, RecordKind.GROUPS, group, same | {"subject_id": "alg"}, by="1")
    assert (outcome.changed, outcome.unchanged) == (1, 1)
    (said,) = await kept.rows("SELECT * FROM roster_statements WHERE changed_by <> 'import:district'")
    assert (said["kind"], said["external_id"], said["changed_by"]) == ("groups", "7a", "client:test")
    assert (said["changed_at"], said["school_id"]) == (kept.clock.at, await kept.id_of("school", "1"))
    assert said["stated"]["name"] == "7А+"
