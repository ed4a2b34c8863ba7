"""One school's journal is nobody else's: in the use cases, in the API, and by row-level security."""

import pytest

from chassis.database import DISTRICT, school
from services.gradebook import fact_tables
from services.gradebook.fact_tables import FactTable
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from tests.integration.journal_school import codes, kept, row, state
from tests.integration.test_gradebook_api import Api, api
from tests.integration.test_gradebook_journal import Journal, district, journal

__all__ = ["api", "district", "journal", "kept"]

TABLES = [table for table in vars(fact_tables).values() if isinstance(table, FactTable)]
OF_GROUP = [
    RecordKind.TEACHING,
    RecordKind.CURRICULUM,
    RecordKind.TIMETABLE,
    RecordKind.LESSONS,
    RecordKind.SUBSTITUTIONS,
    RecordKind.CONTROL_WORKS,
]


async def every_journal_table(journal: Journal) -> list[str]:
    """All tables with a school in them."""
    rows = await journal.rows(
        "SELECT table_name::text AS name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'school_id' AND table_name NOT IN ('api_clients')"
    )
    return [item["name"] for item in rows]


async def test_every_table_with_a_school_has_forced_row_level_security(journal: Journal) -> None:
    tables = await every_journal_table(journal)
    assert {table.name for table in TABLES} <= set(tables)
    rows = await journal.rows(
        "SELECT c.relname::text AS name FROM pg_class AS c WHERE c.relname = ANY($1::text[]) AND c.relkind = 'r'"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
        tables,
    )
    assert rows == []


async def test_another_school_sees_and_changes_no_row_of_the_journal(kept: Journal) -> None:
    first, second = await kept.id_of("school", "1"), await kept.id_of("school", "2")
    for table in TABLES:
        for scope, expected in ((school(first), True), (school(second), False), (DISTRICT, True)):
            async with kept.database.transaction(scope) as conn:
                found = await table.where(conn, "true")
                assert bool(found) == expected, (table.name, scope)
        async with kept.database.transaction(school(second)) as conn:
            assert await conn.execute(f"DELETE FROM {table.name}") == "DELETE 0"
    for name in ("timetables", "calendars", "homework_students"):
        async with kept.database.transaction(school(second)) as conn:
            assert await conn.fetch(f"SELECT * FROM {name}") == []


@pytest.mark.parametrize("kind", OF_GROUP, ids=str)
async def test_a_school_cannot_write_into_another_schools_journal(kept: Journal, kind: RecordKind) -> None:
    record = row(kind)
    id_field = next(iter(record))
    known = await state(kept, kind, record, by="2")
    new = await state(kept, kind, record | {id_field: "n1"}, by="2")
    assert (known.taken, new.taken) == (0, 0)
    assert {code for _, _, code in codes(known) + codes(new)} == {Code.ORPHAN_ROW}
    assert await kept.told() == []


async def test_a_schools_id_cannot_be_taken_over_with_its_own_group(kept: Journal) -> None:
    lesson = row(RecordKind.LESSONS, group_id="7b-2", teacher_id=None)
    assert codes(await state(kept, RecordKind.LESSONS, lesson, by="2")) == [(0, "lesson_id", Code.FOREIGN_ID)]
    (known,) = await kept.rows("SELECT * FROM lessons WHERE external_id = 'l1'")
    assert (known["school_id"], known["revision"]) == (await kept.id_of("school", "1"), 1)


async def test_a_school_states_its_own_calendar_only(kept: Journal) -> None:
    foreign = await state(kept, RecordKind.HOLIDAYS, row(RecordKind.HOLIDAYS), by="2")
    assert codes(foreign) == [(0, "school_id", Code.FOREIGN_SCHOOL)]
    own = row(RecordKind.HOLIDAYS, holiday_id="h2", school_id="2")
    assert (await state(kept, RecordKind.HOLIDAYS, own, by="2")).added == 1
    (told,) = await kept.told()
    assert told.key() == await kept.id_of("school", "2")


async def test_the_api_shows_a_school_its_own_journal_only(kept: Journal, api: Api) -> None:
    group = await kept.id_of("group", "7a")
    for path in (
        "lessons",
        "homework",
        "attendance",
        "policy",
        f"groups/{group}/timetable",
        f"groups/{group}/teachers",
        f"groups/{group}/curriculum",
    ):
        foreign = await api.call("GET", f"/v1/schools/{{1}}/{path}", by="2")
        assert foreign.status_code == 403, path
        assert (await api.call("GET", f"/v1/schools/{{1}}/{path}", by="nobody")).status_code == 401
        assert (await api.call("GET", f"/v1/schools/{{1}}/{path}", by="district")).status_code == 200
    own = await api.call("GET", f"/v1/schools/{{2}}/groups/{group}/timetable", by="2")
    assert {len(day["lessons"]) for day in own.json()["days"]} == {0}
    assert (await api.call("PUT", "/v1/schools/{1}/policy/2026-11-01", by="2", json={})).status_code == 403


async def test_a_schools_file_changes_its_own_journal_only(kept: Journal) -> None:
    second = await kept.id_of("school", "2")
    files = {
        "lessons": (
            "lesson_id,group_id,subject_id,lesson_on,number\n"
            "n1,7b-2,rus,2026-10-12,1\nl1,7a,rus,2026-10-12,1\nl2,7b-2,rus,2026-10-12,1\n"
        )
    }
    report = await kept.take(files, school_id=second)
    assert report.of(RecordKind.LESSONS).added == 1
    assert [(item.line, item.code) for item in report.rejections] == [(3, Code.ORPHAN_ROW), (4, Code.FOREIGN_ID)]
