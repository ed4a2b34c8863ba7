"""Importing on a real database: what is taken, told, and left as it is; and the small district of these tests."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from contracts.base import Event
from contracts.catalogue import EVENTS
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged, Role
from contracts.school_changed import SchoolChanged
from contracts.study_group_changed import StudyGroupChanged
from services.gradebook import importing, queries
from services.gradebook.domain import Identity
from services.gradebook.exchange import Rejection, Report
from services.gradebook.importing import import_files
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code

NOW = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
SET_AT = "2026-10-23T14:00:00+03:00"

DISTRICT_FILES = {
    "schools": "school_id,name,address,time_zone\n1,Школа № 1,ул. Образцовая 1,\n2,Школа № 2,,Asia/Yekaterinburg\n",
    "subjects": "subject_id,title\nalg,Алгебра\nrus,Русский язык\n",
    "periods": (
        "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
        "q1,1,quarter,1,2026/2027,2026-09-01,2026-10-25\n"
        "q1-2,2,quarter,1,2026/2027,2026-09-01,2026-10-25\n"
    ),
    "people": (
        "person_id,role,family,given,patronymic,birth_date,school_id\n"
        "s1,student,Примерова,Анна,Образцовна,2013-02-03,1\n"
        "s2,student,Образцов,Борис,,2013-05-06,1\n"
        "s3,student,Примеров,Глеб,,2013-07-08,2\n"
        "p1,representative,Образцова,Мария,Петровна,,1\n"
        "p1,representative,Образцова,Мария,Петровна,,2\n"
        "t1,teacher,Учителева,Ольга,Ивановна,,1\n"
    ),
    "groups": (
        "group_id,school_id,kind,name,grade_level,subject_id\n"
        "7a,1,class,7А,7,\n"
        "7a-alg,1,study_group,7А алгебра,7,alg\n"
        "7b-2,2,class,7Б,7,\n"
    ),
    "members": "group_id,person_id\n7a,s1\n7a,s2\n7a-alg,s1\n7b-2,s3\n",
    "representatives": "representative_id,student_id,kind,in_force\np1,s1,parent,true\np1,s3,guardian,true\n",
    "marks": (
        "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\n"
        "m1,s1,alg,7a-alg,2026-10-12,control_work,2,5\n"
        "m2,s3,rus,,2026-10-13,answer,,4\n"
    ),
    "final_grades": (
        "result_id,student_id,subject_id,period_id,value,obtained_at,held\n"
        f"g1,s1,alg,q1,4,{SET_AT},false\n"
        f"g2,s2,alg,q1,5,{SET_AT},true\n"
        f"g3,s3,rus,q1-2,зач,{SET_AT},\n"
    ),
    "exam_results": (
        "result_id,student_id,subject_id,kind,title,score,max_score,grade,obtained_at\n"
        "e1,s1,alg,oge,ОГЭ по математике,22,31,5,2026-06-10T09:00:00+03:00\n"
    ),
}


class Journal:
    """A gradebook under test: imports files, and reads what it told."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.clock = FixedClock(NOW)
        self._folder = folder
        self._imports = 0
        self._seen = 0

    def files(self, files: dict[str, str]) -> Path:
        """A folder of CSV files."""
        self._imports += 1
        path = self._folder / f"import{self._imports}"
        path.mkdir()
        for name, content in files.items():
            (path / f"{name}.csv").write_text(content, encoding="utf-8")
        return path

    async def take(self, files: dict[str, str] | Path, **options: Any) -> Report:
        """Imports files."""
        path = self.files(files) if isinstance(files, dict) else files
        return await import_files(self.database, self.clock, path, **options)

    async def told(self) -> list[Event]:
        """The events since the last call, in their order; tombstones are no events."""
        async with self.database.transaction(DISTRICT) as conn:
            rows = await conn.fetch("SELECT * FROM outbox WHERE id > $1 ORDER BY id", self._seen)
        self._seen = max([self._seen, *(row["id"] for row in rows)])
        rows = [row for row in rows if row["payload"] is not None]
        events = [EVENTS[row["type"]].from_json(row["payload"]) for row in rows]
        for row, event in zip(rows, events, strict=True):
            assert row["event_id"] == event.event_id()
            assert row["aggregateid"] == str(event.key())
        return events

    async def id_of(self, kind: str, external_id: str, source: str = "district") -> Any:
        """Our id."""
        async with self.database.transaction(DISTRICT) as conn:
            return Identity(await queries.identity_key(conn), source).of(kind, external_id)

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Looks into the tables."""
        async with self.database.transaction(DISTRICT) as conn:
            return [dict(row) for row in await conn.fetch(sql, *arguments)]


@pytest.fixture
async def journal(service_database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> Journal:
    """An empty gradebook."""
    return Journal(await service_database("gradebook"), tmp_path)


@pytest.fixture
async def district(journal: Journal) -> Journal:
    """A gradebook with the small district; what it told is read already."""
    report = await journal.take(DISTRICT_FILES)
    assert report.exit_code == 0, report.rejections
    await journal.told()
    return journal


def last(events: list[Event], kind: type[Any], **wanted: Any) -> Any:
    """The last event of a kind with these values."""
    found = [event for event in events if isinstance(event, kind)]
    return [event for event in found if all(getattr(event, name) == value for name, value in wanted.items())][-1]


async def test_a_district_is_taken_whole_and_every_fact_is_told(journal: Journal) -> None:
    report = await journal.take(DISTRICT_FILES)

    assert report.exit_code == 0
    assert {kind: counts.added for kind, counts in report.counts.items()} == {
        RecordKind.SCHOOLS: 2,
        RecordKind.SUBJECTS: 2,
        RecordKind.PERIODS: 2,
        RecordKind.PEOPLE: 6,
        RecordKind.GROUPS: 3,
        RecordKind.MEMBERS: 4,
        RecordKind.REPRESENTATIVES: 2,
        RecordKind.MARKS: 2,
        RecordKind.FINAL_GRADES: 3,
        RecordKind.EXAM_RESULTS: 1,
    }
    events = await journal.told()
    aggregates = Counter(type(event) for event in {(type(e), e.aggregate()): e for e in events}.values())
    assert aggregates == {
        SchoolChanged: 2,
        PersonChanged: 5,
        StudyGroupChanged: 3,
        MarkRecorded: 2,
        FinalGradeSet: 3,
        ExamResultRecorded: 1,
    }
    anna = last(events, PersonChanged, person_id=await journal.id_of("person", "s1"))
    assert (anna.name.family, anna.roles) == ("Примерова", [Role.STUDENT])
    assert (anna.enrolment.class_name, anna.enrolment.grade_level) == ("7А", 7)
    assert [r.representative_id for r in anna.enrolment.representatives] == [await journal.id_of("person", "p1")]
    mother = last(events, PersonChanged, person_id=await journal.id_of("person", "p1"))
    assert len(mother.school_ids) == 2
    assert mother.enrolment is None
    group = last(events, StudyGroupChanged, group_id=await journal.id_of("group", "7a-alg"))
    assert (group.subject.title, group.member_ids) == ("Алгебра", [anna.person_id])
    grade = last(events, FinalGradeSet, result_id=await journal.id_of("final_grade", "g2"))
    assert (grade.value, grade.held, grade.recorded_at) == ("5", True, NOW)
    assert grade.obtained_at == datetime.fromisoformat(SET_AT)


async def test_importing_the_same_again_changes_nothing_and_tells_nothing(district: Journal) -> None:
    district.clock.advance(timedelta(days=3))
    report = await district.take(DISTRICT_FILES)
    assert report.exit_code == 0
    assert sum(counts.added + counts.changed for counts in report.counts.values()) == 0
    assert sum(counts.unchanged for counts in report.counts.values()) == 27
    assert await district.told() == []


async def test_a_dry_run_reports_the_same_and_changes_nothing(journal: Journal) -> None:
    trial = await journal.take(DISTRICT_FILES, dry_run=True)
    assert await journal.told() == []
    assert await journal.rows("SELECT * FROM schools") == []
    real = await journal.take(DISTRICT_FILES)
    assert trial.counts == real.counts
    assert trial.rejections == real.rejections


async def test_good_rows_are_taken_and_each_bad_one_is_reported(district: Journal) -> None:
    report = await district.take(
        {
            "people": "person_id,role,family,given,school_id\nn1,student,Новый,Олег,1\nn2,student,Новая,Вера,99\n",
            "members": "group_id,person_id\nabsent,s1\n7a,absent\n7a,n1\n7a,t1\n",
            "representatives": (
                "representative_id,student_id,kind,in_force\nabsent,s1,parent,true\np1,absent,parent,true\n"
            ),
            "marks": (
                "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\n"
                "x1,absent,alg,,2026-10-12,answer,,5\nx2,s1,absent,,2026-10-12,answer,,5\n"
                "x3,s1,alg,absent,2026-10-12,answer,,5\nx4,s1,alg,7b-2,2026-10-12,answer,,5\n"
            ),
            "final_grades": (
                "result_id,student_id,subject_id,period_id,value,obtained_at,held\n"
                f"y1,s1,rus,absent,4,{SET_AT},\ny2,absent,rus,q1,4,{SET_AT},\ny3,s1,rus,q1,4,{SET_AT},\n"
                f"y3,s1,rus,q1,5,{SET_AT},\ny4,s3,rus,q1,5,{SET_AT},\ny5,s1,alg,q1,5,2026-10-24T14:00:00+03:00,\n"
                f"g1,s2,alg,q1,5,{SET_AT},\n"
            ),
        }
    )
    assert report.exit_code == 2
    assert sorted((r.file, r.line or 0, r.field, r.code) for r in report.rejections) == sorted(
        [
            ("people.csv", 3, "school_id", Code.ORPHAN_ROW),
            ("members.csv", 2, "group_id", Code.ORPHAN_ROW),
            ("members.csv", 3, "person_id", Code.ORPHAN_ROW),
            ("members.csv", 5, "person_id", Code.ORPHAN_ROW),
            ("representatives.csv", 2, "representative_id", Code.ORPHAN_ROW),
            ("representatives.csv", 3, "student_id", Code.ORPHAN_ROW),
            ("marks.csv", 2, "student_id", Code.ORPHAN_ROW),
            ("marks.csv", 3, "subject_id", Code.ORPHAN_ROW),
            ("marks.csv", 4, "group_id", Code.ORPHAN_ROW),
            ("marks.csv", 5, "student_id", Code.ORPHAN_ROW),
            ("final_grades.csv", 2, "period_id", Code.ORPHAN_ROW),
            ("final_grades.csv", 3, "student_id", Code.ORPHAN_ROW),
            ("final_grades.csv", 5, "result_id", Code.DUPLICATE_ID),
            ("final_grades.csv", 6, "student_id", Code.ORPHAN_ROW),
            ("final_grades.csv", 7, "obtained_at", Code.IN_FUTURE),
            ("final_grades.csv", 8, "result_id", Code.IDENTITY_CHANGED),
        ]
    )
    assert report.of(RecordKind.FINAL_GRADES).added == 1
    assert report.of(RecordKind.FINAL_GRADES).rejected == 6
    taken = await district.rows("SELECT value FROM final_grades WHERE external_id = 'y3'")
    assert taken == [{"value": "4"}]
    anna = await district.id_of("person", "s1")
    kept = await district.rows("SELECT student_id, value FROM final_grades WHERE external_id = 'g1'")
    assert kept == [{"student_id": anna, "value": "4"}]


async def test_what_cannot_be_opened_is_a_report_too(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    report = await journal.take(tmp_path / "a.zip")
    assert report.exit_code == 1
    assert report.rejections == [Rejection("a.zip", None, "", Code.NOT_AN_ARCHIVE)]


async def test_progress_is_told_up_to_the_last_row(journal: Journal) -> None:
    steps: list[tuple[str, int, int | None]] = []
    await journal.take(DISTRICT_FILES, progress=lambda *step: steps.append(step))
    assert ("people", 6, 6) in steps
    assert ("final_grades", 3, 3) in steps
    begun = [f"{name}{end}" for name in map(str, RecordKind) if name in DISTRICT_FILES for end in (".csv", "")]
    assert [name for name, done, _ in steps if done == 0] == begun
    ends = {name: (done, total) for name, done, total in steps}
    assert all(done == total for done, total in ends.values()), ends


async def test_progress_is_told_while_a_file_is_read_and_within_a_school(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "READ_AT_ONCE", 4)
    monkeypatch.setattr(importing, "BATCH", 3)
    steps: list[tuple[str, int, int | None]] = []
    await journal.take(DISTRICT_FILES, progress=lambda *step: steps.append(step))
    assert [step for step in steps if step[0] == "people.csv"] == [
        ("people.csv", 0, 6), ("people.csv", 4, 6), ("people.csv", 6, 6), ("people.csv", 6, 6),
    ]  # fmt: skip
    # Four people of the first school, two of the second.
    assert [step for step in steps if step[0] == "people"] == [
        ("people", 0, 6), ("people", 3, 6), ("people", 4, 6), ("people", 6, 6),
    ]  # fmt: skip


async def test_a_new_name_is_a_new_revision_of_the_person(district: Journal) -> None:
    district.clock.advance(timedelta(hours=1))
    await district.take({"people": "person_id,role,family,given,school_id\np1,representative,Новая,Мария,1\n"})
    events = await district.told()
    assert len(events) == 1
    mother = last(events, PersonChanged)
    assert (mother.name.family, mother.revision) == ("Новая", 3)
    assert len(mother.school_ids) == 2


async def test_two_schools_that_write_a_name_apart_do_not_overwrite_each_other_forever(district: Journal) -> None:
    people = (
        "person_id,role,family,given,school_id\n"
        "p1,representative,Образцова,Мария,1\np1,representative,Образцова-Первая,Мария,2\n"
    )
    district.clock.advance(timedelta(hours=1))
    await district.take({"people": people})
    await district.told()
    again = await district.take({"people": people})
    assert again.of(RecordKind.PEOPLE).changed == 0
    assert await district.told() == []


async def test_whoever_changes_class_is_told_anew_with_both_groups(district: Journal) -> None:
    district.clock.advance(timedelta(hours=1))
    await district.take(
        {
            "groups": "group_id,school_id,kind,name,grade_level,subject_id\n8b,1,class,8Б,8,\n",
            "members": "group_id,person_id,state\n7a,s1,withdrawn\n8b,s1,active\n",
        }
    )
    events = await district.told()
    anna = last(events, PersonChanged)
    assert (anna.enrolment.class_name, anna.enrolment.grade_level) == ("8Б", 8)
    left = last(events, StudyGroupChanged, group_id=await district.id_of("group", "7a"))
    assert left.member_ids == [await district.id_of("person", "s2")]
    entered = last(events, StudyGroupChanged, group_id=await district.id_of("group", "8b"))
    assert entered.member_ids == [anna.person_id]


async def test_a_class_that_is_renamed_shows_with_all_its_students(district: Journal) -> None:
    await district.take({"groups": "group_id,school_id,kind,name,grade_level,subject_id\n7a,1,class,8А,8,\n"})
    events = await district.told()
    assert {type(event) for event in events} == {StudyGroupChanged, PersonChanged}
    assert {e.enrolment.class_name for e in events if isinstance(e, PersonChanged) and e.enrolment} == {"8А"}
    assert len(events) == 3


async def test_a_representative_who_loses_authority_is_told_with_the_student(district: Journal) -> None:
    await district.take({"representatives": "representative_id,student_id,kind,in_force\np1,s1,parent,false\n"})
    (anna,) = await district.told()
    assert isinstance(anna, PersonChanged)
    assert anna.enrolment is not None
    assert [r.in_force for r in anna.enrolment.representatives] == [False]


async def test_a_student_who_moves_to_another_school_keeps_the_results_of_the_old_one(district: Journal) -> None:
    district.clock.advance(timedelta(hours=1))
    await district.take(
        {
            "people": (
                "person_id,role,family,given,patronymic,birth_date,school_id,state\n"
                "s1,student,Примерова,Анна,Образцовна,2013-02-03,1,withdrawn\n"
                "s1,student,Примерова,Анна,Образцовна,2013-02-03,2,active\n"
            ),
            "members": "group_id,person_id\n7b-2,s1\n",
        }
    )
    anna = last(await district.told(), PersonChanged)
    assert anna.school_ids == [await district.id_of("school", "2")]
    assert (anna.enrolment.school_id, anna.enrolment.class_name) == (anna.school_ids[0], "7Б")
    again = await district.take({name: DISTRICT_FILES[name] for name in ("final_grades", "exam_results")})
    assert again.exit_code == 0
    assert await district.told() == []
    schools = await district.rows("SELECT DISTINCT school_id FROM exam_results")
    assert schools == [{"school_id": await district.id_of("school", "1")}]


LEFT = (
    "person_id,role,family,given,patronymic,birth_date,school_id,state\n"
    "s1,student,Примерова,Анна,Образцовна,2013-02-03,1,withdrawn\n"
)


async def test_who_has_left_keeps_school_and_representatives_but_no_class(district: Journal) -> None:
    await district.take({"people": LEFT})
    anna = last(await district.told(), PersonChanged)
    assert (anna.roles, anna.school_ids) == ([], [])
    assert anna.enrolment.school_id == await district.id_of("school", "1")
    assert (anna.enrolment.class_id, anna.enrolment.class_name, anna.enrolment.grade_level) == (None, "", None)
    mother = await district.id_of("person", "p1")
    assert [(r.representative_id, r.in_force) for r in anna.enrolment.representatives] == [(mother, True)]


async def test_an_end_of_authority_is_told_even_of_who_has_left(district: Journal) -> None:
    await district.take({"people": LEFT})
    before = last(await district.told(), PersonChanged)
    await district.take({"representatives": "representative_id,student_id,kind,in_force\np1,s1,parent,false\n"})
    (anna,) = await district.told()
    assert isinstance(anna, PersonChanged)
    assert anna.enrolment is not None
    assert anna.revision == before.revision + 1
    assert [r.in_force for r in anna.enrolment.representatives] == [False]


async def test_who_left_after_a_return_was_last_where_they_returned_to(district: Journal) -> None:
    row = "s1,student,Примерова,Анна,Образцовна,2013-02-03"
    head = "person_id,role,family,given,patronymic,birth_date,school_id,state\n"
    for first, second in (("withdrawn", "active"), ("active", "withdrawn"), ("withdrawn", "withdrawn")):
        district.clock.advance(timedelta(days=1))
        await district.take({"people": f"{head}{row},1,{first}\n{row},2,{second}\n"})
    anna = last(await district.told(), PersonChanged)
    assert anna.school_ids == []
    assert anna.enrolment.school_id == await district.id_of("school", "1")


async def test_a_renamed_subject_shows_with_its_groups(district: Journal) -> None:
    await district.take({"subjects": "subject_id,title\nalg,Алгебра и начала анализа\n"})
    (group,) = await district.told()
    assert isinstance(group, StudyGroupChanged)
    assert group.subject is not None
    assert group.subject.title == "Алгебра и начала анализа"


async def test_the_same_ids_of_another_source_are_other_people(district: Journal) -> None:
    await district.take({"schools": DISTRICT_FILES["schools"], "people": DISTRICT_FILES["people"]}, source="other")
    assert len(await district.rows("SELECT * FROM persons")) == 10


async def test_the_key_of_all_ids_cannot_be_changed_by_the_service(journal: Journal) -> None:
    key = await journal.rows("SELECT key FROM identity_key")
    assert len(key[0]["key"]) == 32
    async with journal.database.transaction(DISTRICT) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE identity_key SET key = sha256('known')")
