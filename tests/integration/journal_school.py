"""A school that keeps its whole journal here, for the tests of it: the small district with everything beside marks."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.gradebook import handlers
from services.gradebook.handlers import Sender
from services.gradebook.records import MODELS, RecordKind
from services.gradebook.rejections import Code
from services.gradebook.taking import Outcome, Placed
from tests.integration.test_gradebook_journal import DISTRICT_FILES, Journal

JOURNAL_FILES: Mapping[str, str] = {
    "campuses": "campus_id,school_id,title,address\nmain,1,Главное здание,ул. Образцовая 1\n",
    "school_years": "school_year_id,school_id,school_year,starts_on,ends_on\ny1,1,2026/2027,2026-09-01,2027-05-31\n",
    "holidays": (
        "holiday_id,school_id,school_year,title,starts_on,ends_on\n"
        "h1,1,2026/2027,Осенние каникулы,2026-10-26,2026-11-03\n"
    ),
    "teaching": (
        "teaching_id,teacher_id,group_id,subject_id,role,starts_on,ends_on\n"
        "w1,t1,7a,rus,subject_teacher,2026-09-01,\n"
        "w2,t1,7a,,class_teacher,,\n"
        "w3,t1,7a-alg,alg,,,\n"
    ),
    "curriculum": (
        "curriculum_id,group_id,subject_id,period_id,lesson_type,hours\nc1,7a,rus,q1,new_material,24\nc2,7a,rus,q1,control_work,2.5\n"
    ),
    "timetable": (
        "slot_id,group_id,subject_id,teacher_id,room,weekday,number,starts_at,ends_at,valid_from,valid_to\n"
        "sl1,7a,rus,t1,204,1,2,9:25,10:10,2026-09-01,\n"
        "sl2,7a-alg,alg,t1,305,1,3,10:30,11:15,2026-09-01,2026-10-18\n"
    ),
    "lessons": (
        "lesson_id,group_id,subject_id,teacher_id,lesson_on,number,starts_at,ends_at,room,lesson_type,topic,status\n"
        "l1,7a,rus,t1,2026-10-12,2,09:25,10:10,204,new_material,Причастие,held\n"
        "l2,7a,rus,t1,2026-10-19,2,09:25,10:10,204,control_work,Диктант,planned\n"
    ),
    "substitutions": (
        "substitution_id,group_id,lesson_id,lesson_on,number,subject_id,kind,new_teacher_id,new_room,moved_to_on,"
        "moved_to_number,reason\n"
        "u1,7a,l2,2026-10-19,2,rus,replaced,t1,101,,,illness\n"
    ),
    "control_works": (
        "control_work_id,group_id,subject_id,planned_on,number,kind,title\nk1,7a,rus,2026-10-19,2,control_work,Диктант\n"
    ),
    "homework": (
        "homework_id,group_id,subject_id,lesson_id,assigned_on,due_on,content,attachments,student_ids\n"
        'd1,7a,rus,l1,2026-10-12,2026-10-19,"§ 7, упр. 81",Карточка https://journal.example/81|https://journal.example/82,\n'
        "d2,7a,rus,,2026-10-12,,Повторить правило,,s2\n"
    ),
    "recommendations": (
        "recommendation_id,student_id,group_id,subject_id,given_on,kind,content,author_id\n"
        "r1,s1,,rus,2026-10-16,recommendation,Читать вслух,t1\n"
        "r2,,7a,,2026-10-16,observation,Класс работает дружно,t1\n"
    ),
    "attendance": (
        "attendance_id,student_id,group_id,subject_id,lesson_id,lesson_on,number,code\n"
        "a1,s1,7a,rus,l1,2026-10-12,2,б\na2,s2,7a,rus,l1,2026-10-12,2,late\n"
    ),
}


@pytest.fixture
async def kept(district: Journal) -> Journal:
    """The small district, with the whole journal of school 1; what it told is read already."""
    report = await district.take(dict(JOURNAL_FILES))
    assert report.exit_code == 0, report.rejections
    await district.told()
    return district


def row(kind: RecordKind, **changes: Any) -> dict[str, Any]:
    """The first record of a kind in these files, with changes; a blank field is left out."""
    lines = ({**DISTRICT_FILES, **JOURNAL_FILES})[str(kind)].splitlines()
    fields = dict(zip(lines[0].split(","), lines[1].split(","), strict=False))
    return {name: value for name, value in (fields | changes).items() if value not in ("", None)}


async def state(journal: Journal, kind: RecordKind, *records: dict[str, Any], by: str | None = None) -> Outcome:
    """Sends records to school 1: as the district, or as a school's own client."""
    school_id = await journal.id_of("school", by or "1")
    sender = Sender("district", school_id, of_district=by is None, changed_by="client:test")
    rows = [Placed(place, MODELS[kind].model_validate(record)) for place, record in enumerate(records)]
    return await handlers.take_records(journal.database, journal.clock, sender, kind, rows)


def codes(outcome: Outcome) -> list[tuple[int, str, Code]]:
    """The places, fields and reasons of what was not taken."""
    return [(place, fault.field, fault.code) for place, fault in outcome.rejected]
