"""Who teaches, from the enrollments of a OneRoster pack alone: kept, told, and withdrawn."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.database import DISTRICT, Database
from contracts.study_group_changed import StudyGroupChanged
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from tests.integration.test_gradebook_journal import Journal, last

FILES = {
    "manifest": "propertyName,value\noneroster.version,1.1\n",
    "orgs": "sourcedId,name,type\n1,Школа № 1,school\n",
    "courses": "sourcedId,title\nalg,Алгебра\nall,Классный час\n",
    "users": (
        "sourcedId,role,orgSourcedIds,familyName,givenName\n"
        "s1,student,1,Примерова,Анна\nt1,teacher,1,Учителева,Ольга\nt2,teacher,1,Классная,Вера\n"
    ),
    "classes": (
        "sourcedId,title,grades,courseSourcedId,classType,schoolSourcedId\n"
        "7a,7А,07,all,homeroom,1\n7a-alg,7А алгебра,07,alg,scheduled,1\n"
    ),
    "enrollments": (
        "sourcedId,classSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
        "e0,7a,s1,student,,,\n"
        "e1,7a-alg,t1,teacher,true,2026-09-01,2027-05-31\n"
        "e2,7a,t2,teacher,,2026-09-01,\n"
    ),
}
COLUMNS = "sourcedId,status,classSourcedId,userSourcedId,role,primary,beginDate,endDate\n"


@pytest.fixture
async def journal(service_database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> Journal:
    """A gradebook that has taken the pack."""
    journal = Journal(await service_database("gradebook"), tmp_path)
    report = await journal.take(FILES)
    assert report.rejections == []
    assert (report.of(RecordKind.TEACHING).added, report.of(RecordKind.MEMBERS).added) == (2, 1)
    return journal


def delta(*rows: str, **further: str) -> dict[str, str]:
    """A delta of enrollments."""
    manifest = "propertyName,value\noneroster.version,1.1\nfile.enrollments,delta\n"
    return {"manifest": manifest, "enrollments": COLUMNS + "".join(f"{row}\n" for row in rows), **further}


async def kept(journal: Journal) -> list[tuple[Any, ...]]:
    async with journal.database.transaction(DISTRICT) as conn:
        rows = await conn.fetch("SELECT external_id, role, subject_id, state, ends_on FROM teaching ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_a_pack_alone_says_who_teaches_and_families_are_told(journal: Journal) -> None:
    events = await journal.told()
    algebra = last(events, StudyGroupChanged, group_id=await journal.id_of("group", "7a-alg"))
    teacher = await journal.id_of("person", "t1")
    assert [(one.teacher_id, one.subject.title, str(one.starts_on), str(one.ends_on)) for one in algebra.teachers] == [
        (teacher, "Алгебра", "2026-09-01", "2027-05-31")
    ]
    assert algebra.class_teacher_id is None
    homeroom = last(events, StudyGroupChanged, group_id=await journal.id_of("group", "7a"))
    assert (homeroom.teachers, homeroom.class_teacher_id) == ([], await journal.id_of("person", "t2"))


async def test_the_same_pack_again_changes_nothing_and_tells_nothing(journal: Journal) -> None:
    await journal.told()
    again = await journal.take(FILES)
    assert again.rejections == []
    assert not any(count.added or count.changed for count in again.counts.values())
    assert again.of(RecordKind.TEACHING).unchanged == 2
    assert await journal.told() == []


@pytest.mark.parametrize("with_classes", [True, False])
async def test_a_delta_corrects_one_teacher_and_withdraws_another_with_and_without_the_classes(
    journal: Journal, with_classes: bool
) -> None:
    await journal.told()
    rows = ("e1,active,7a-alg,t1,teacher,true,2026-09-01,2026-12-31", "e2,tobedeleted,7a,t2,teacher,,2026-09-01,")
    further = {"classes": FILES["classes"], "courses": FILES["courses"]} if with_classes else {}
    report = await journal.take(delta(*rows, **further))
    assert report.rejections == []
    assert report.of(RecordKind.TEACHING).changed == 2
    events = await journal.told()
    algebra = last(events, StudyGroupChanged, group_id=await journal.id_of("group", "7a-alg"))
    assert [(one.subject.title, str(one.ends_on)) for one in algebra.teachers] == [("Алгебра", "2026-12-31")]
    homeroom = last(events, StudyGroupChanged, group_id=await journal.id_of("group", "7a"))
    assert (homeroom.teachers, homeroom.class_teacher_id) == ([], None)
    assert [(row[1], row[3]) for row in await kept(journal)] == [
        ("subject_teacher", "active"),
        ("class_teacher", "withdrawn"),
    ]


async def test_a_new_teacher_in_a_delta_teaches_what_the_journal_knows_of_the_group(journal: Journal) -> None:
    rows = ("e3,active,7a-alg,t2,teacher,,,", "e4,active,7a,t1,teacher,,2026-10-01,")
    for dry_run, known in ((True, 2), (False, 4)):
        report = await journal.take(delta(*rows), dry_run=dry_run)
        assert report.rejections == []
        assert report.of(RecordKind.TEACHING).added == 2
        assert len(await kept(journal)) == known
    algebra = await journal.id_of("subject", "alg")
    assert [row[1:3] for row in await kept(journal)][2:] == [("subject_teacher", algebra), ("class_teacher", None)]


async def test_what_a_delta_does_not_repeat_of_a_teaching_stays_as_it_was(journal: Journal) -> None:
    homeroom = "e5,active,7a,t1,teacher,false,,"
    first = await journal.take(delta(homeroom, classes=FILES["classes"], courses=FILES["courses"]))
    assert (first.rejections, first.of(RecordKind.TEACHING).added) == ([], 1)
    again = await journal.take(delta(homeroom))
    assert (again.rejections, again.of(RecordKind.TEACHING).unchanged) == ([], 1)


async def test_enrollments_of_unknown_teachers_and_classes_are_reported_and_the_rest_is_taken(
    journal: Journal,
) -> None:
    rows = (
        "e6,active,absent,t1,teacher,,,",
        "e7,active,7a-alg,absent,teacher,,,",
        "e8,active,7a-alg,s1,teacher,,,",
        "e9,tobedeleted,7a-alg,t1,teacher,,,",
        "e10,active,7a-alg,t2,teacher,,,",
    )
    report = await journal.take(delta(*rows))
    assert [(fault.line, fault.field, fault.code) for fault in report.rejections] == [
        (2, "classSourcedId", Code.ORPHAN_ROW),
        (3, "userSourcedId", Code.ORPHAN_ROW),
        (4, "userSourcedId", Code.ORPHAN_ROW),
        (5, "sourcedId", Code.ORPHAN_ROW),
    ]
    assert (report.of(RecordKind.TEACHING).added, report.exit_code) == (1, 2)
