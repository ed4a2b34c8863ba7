"""A school's client touches its own school only: in the use cases, and again by row-level security."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis.database import DISTRICT, Scope, school
from services.gradebook import composing, handlers
from services.gradebook.handlers import Sender
from services.gradebook.records import MODELS, RecordKind
from services.gradebook.rejections import Code
from services.gradebook.taking import Outcome, Placed
from tests.integration.test_gradebook_journal import DISTRICT_FILES, SET_AT, Journal, district, journal
from tests.support.databases import ServiceDatabases

__all__ = ["district", "journal"]

TABLES = (
    "schools",
    "periods",
    "persons",
    "person_records",
    "representations",
    "study_groups",
    "group_members",
    "marks",
    "final_grades",
    "exam_results",
    "mark_history",
    "final_grade_history",
    "exam_result_history",
    "disclosures",
)


async def state_as(journal: Journal, number: str, kind: RecordKind, *records: dict[str, Any]) -> Outcome:
    """A school's own client sends records."""
    sender = Sender("district", await journal.id_of("school", number), of_district=False)
    rows = [Placed(place, MODELS[kind].model_validate(record)) for place, record in enumerate(records)]
    return await handlers.take_records(journal.database, journal.clock, sender, kind, rows)


def codes(outcome: Outcome) -> list[tuple[int, Code]]:
    """The places and reasons of what was not taken."""
    return [(place, fault.code) for place, fault in outcome.rejected]


def a_grade(**changes: str) -> dict[str, Any]:
    """A grade of Anna at school 1."""
    fields = {
        "result_id": "g1",
        "student_id": "s1",
        "subject_id": "alg",
        "period_id": "q1",
        "value": "2",
        "obtained_at": SET_AT,
    }
    return fields | changes


async def test_a_school_cannot_state_grades_of_another_schools_student_or_period(district: Journal) -> None:
    outcome = await state_as(
        district,
        "2",
        RecordKind.FINAL_GRADES,
        a_grade(),
        a_grade(result_id="n1"),
        a_grade(result_id="n2", student_id="s3"),
        a_grade(result_id="g2", student_id="s3", period_id="q1-2"),
    )
    assert codes(outcome) == [
        (0, Code.ORPHAN_ROW),
        (1, Code.ORPHAN_ROW),
        (2, Code.ORPHAN_ROW),
        (3, Code.FOREIGN_ID),
    ]
    assert await district.told() == []
    assert len(await district.rows("SELECT * FROM final_grades WHERE value = '2'")) == 0


async def test_a_school_cannot_claim_a_person_that_only_another_school_knows(district: Journal) -> None:
    person = {"person_id": "s1", "role": "student", "family": "Чужая", "given": "Анна", "school_id": "2"}
    outcome = await state_as(district, "2", RecordKind.PEOPLE, person, person | {"person_id": "n1", "school_id": "1"})
    assert sorted(codes(outcome)) == [(0, Code.FOREIGN_ID), (1, Code.FOREIGN_SCHOOL)]
    assert await district.told() == []


async def test_a_school_cannot_make_anybody_the_representative_of_another_schools_student(district: Journal) -> None:
    record = {"representative_id": "p1", "student_id": "s1", "kind": "parent", "in_force": True}
    mine = {"representative_id": "t1", "student_id": "s3", "kind": "parent", "in_force": True}
    outcome = await state_as(district, "2", RecordKind.REPRESENTATIVES, record, mine)
    assert codes(outcome) == [(0, Code.ORPHAN_ROW), (1, Code.ORPHAN_ROW)]


async def test_a_school_cannot_change_another_schools_group_or_the_districts_subject(district: Journal) -> None:
    group = {"group_id": "7a", "school_id": "2", "kind": "class", "name": "9Я", "grade_level": 9}
    assert codes(await state_as(district, "2", RecordKind.GROUPS, group)) == [(0, Code.FOREIGN_ID)]
    member = {"group_id": "7a", "person_id": "s3"}
    assert codes(await state_as(district, "2", RecordKind.MEMBERS, member)) == [(0, Code.ORPHAN_ROW)]
    subject = {"subject_id": "alg", "title": "Физкультура"}
    own = {"subject_id": "own", "title": "Краеведение"}
    outcome = await state_as(district, "2", RecordKind.SUBJECTS, subject, own)
    assert codes(outcome) == [(0, Code.FOREIGN_ID)]
    assert outcome.added == 1
    assert codes(await state_as(district, "1", RecordKind.SUBJECTS, own)) == [(0, Code.FOREIGN_ID)]


async def test_a_school_may_restate_a_shared_person_and_both_schools_stay_known(district: Journal) -> None:
    district.clock.advance(district.clock.at - district.clock.at.replace(hour=0))
    person = {"person_id": "p1", "role": "representative", "family": "Новая", "given": "Мария", "school_id": "2"}
    assert (await state_as(district, "2", RecordKind.PEOPLE, person)).changed == 1
    (mother,) = await district.told()
    assert len(mother.school_ids) == 2  # type: ignore[attr-defined]


async def test_a_schools_file_leaves_other_schools_rows_out(district: Journal) -> None:
    files = {
        "people": (
            "person_id,role,family,given,school_id\nn1,student,Новый,Олег,1\nn2,student,Новая,Вера,2\n"
            "s1,student,Чужая,Анна,2\n"
        ),
        "periods": DISTRICT_FILES["periods"],
        "final_grades": DISTRICT_FILES["final_grades"].replace(",4,", ",2,"),
    }
    second = await district.id_of("school", "2")
    for dry_run in (True, False):
        report = await district.take(files, school_id=second, dry_run=dry_run)
        assert [(r.file, r.line, r.code) for r in report.rejections] == [
            ("periods.csv", 2, Code.FOREIGN_SCHOOL),
            ("people.csv", 2, Code.FOREIGN_SCHOOL),
            ("people.csv", 4, Code.FOREIGN_ID),
            ("final_grades.csv", 2, Code.ORPHAN_ROW),
            ("final_grades.csv", 3, Code.ORPHAN_ROW),
        ]
        assert report.of(RecordKind.PEOPLE).added == 1
    assert await district.rows("SELECT * FROM final_grades WHERE value = '2'") == []


async def test_every_batch_of_a_schools_import_begins_in_its_own_scope(
    district: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Composing a person sees the whole district; the rows after it must not."""
    monkeypatch.setattr("services.gradebook.importing.BATCH", 1)
    second = await district.id_of("school", "2")
    files = {
        "people": "person_id,role,family,given,school_id\nn2,student,Новая,Вера,2\ns1,student,Чужая,Анна,2\n",
        "groups": "group_id,school_id,kind,name,grade_level,subject_id\n9z,2,class,9Я,9,\n7a,2,class,9Я,9,\n",
    }
    report = await district.take(files, school_id=second)
    assert [(r.file, r.line, r.code) for r in report.rejections] == [
        ("people.csv", 3, Code.FOREIGN_ID),
        ("groups.csv", 3, Code.FOREIGN_ID),
    ]


async def seen(journal: Journal, scope: Scope, table: str) -> int:
    """How many rows of a table a scope sees."""
    async with journal.database.transaction(scope) as conn:
        return int(await conn.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_scope_sees_its_school_and_without_one_nothing_is_seen(district: Journal) -> None:
    first, second = await district.id_of("school", "1"), await district.id_of("school", "2")
    await _make_history(district)
    for table in TABLES:
        total = await seen(district, DISTRICT, table)
        assert total > 0, table
        nobody = (Scope(""), Scope("school"), Scope("reader", reader_id=str(first)), school(UUID(int=1)))
        assert [await seen(district, scope, table) for scope in nobody] == [0, 0, 0, 0], table
        parts = [await seen(district, school(one), table) for one in (first, second)]
        # The mother is known to both schools.
        assert sum(parts) == total + (1 if table == "persons" else 0), table


async def _make_history(journal: Journal) -> None:
    changed = {
        "marks": DISTRICT_FILES["marks"].replace(",5\n", ",3\n"),
        "final_grades": DISTRICT_FILES["final_grades"].replace(",4,", ",3,"),
        "exam_results": DISTRICT_FILES["exam_results"].replace("22", "23"),
    }
    assert (await journal.take(changed)).exit_code == 0


async def test_row_level_security_binds_even_the_owner(journal: Journal) -> None:
    bound = await journal.rows(
        "SELECT relname::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relkind = 'r'"
    )
    assert {row["relname"] for row in bound} >= {*TABLES, "subjects"}


async def test_a_school_cannot_write_rows_of_another_even_by_sql(district: Journal) -> None:
    first, second = await district.id_of("school", "1"), await district.id_of("school", "2")
    for statement in (
        "UPDATE final_grades SET school_id = $1",
        "INSERT INTO disclosures VALUES (gen_random_uuid(), 1, $1, 'exam_result', now(), false)",
        "UPDATE person_records SET school_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with district.database.transaction(school(second)) as conn:
                await conn.execute(statement, first)


async def test_history_is_only_appended_to(district: Journal) -> None:
    await _make_history(district)
    for statement in ("UPDATE final_grade_history SET value = '5'", "DELETE FROM mark_history"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with district.database.transaction(DISTRICT) as conn:
                await conn.execute(statement)


async def test_the_planner_does_not_take_a_policy_for_a_sieve(
    district: Journal, service_database: ServiceDatabases
) -> None:
    """Judged to let 0.5 % of the rows through, policies made joins of batches compare every row with every other."""
    async with service_database.as_superuser("gradebook") as superuser:
        await superuser.execute(
            "INSERT INTO disclosures SELECT gen_random_uuid(), 1, gen_random_uuid(), 'exam_result', now(), false"
            " FROM generate_series(1, 4000)"
        )
        await superuser.execute("ANALYZE disclosures")
    async with district.database.transaction(DISTRICT) as conn:
        plan = await conn.fetchval("EXPLAIN (FORMAT JSON) SELECT * FROM disclosures")
    assert plan[0]["Plan"]["Plan Rows"] >= 1000


async def test_a_persons_state_is_composed_by_indexes_alone(district: Journal) -> None:
    async with district.database.transaction(DISTRICT) as conn:
        await conn.execute("SET LOCAL enable_seqscan = off")
        arguments = [district.clock.at]
        plan = "\n".join(
            row[0] for row in await conn.fetch(f"EXPLAIN {composing._COMPOSE_PERSONS}", [UUID(int=1)], *arguments)
        )
    for index in ("group_members_person_id", "person_records_pkey", "representations_pkey", "study_groups_pkey"):
        assert index in plan
    assert "Join Filter" not in plan


async def test_a_school_that_a_child_has_left_has_no_say_about_them_any_more(district: Journal) -> None:
    await district.take(
        {
            "people": "person_id,role,family,given,patronymic,birth_date,school_id,state\n"
            "s1,student,Примерова,Анна,,2013-02-03,2,active\n"
            "s1,student,Примерова,Анна,,2013-02-03,1,withdrawn\n"
        }
    )
    claim = {"role": "student", "family": "X", "given": "Y", "patronymic": "", "school_id": "1"}
    people = await state_as(district, "1", RecordKind.PEOPLE, {"person_id": "s1", **claim})
    assert codes(people) == [(0, Code.FOREIGN_ID)]
    mine = {"person_id": "mine", **claim, "role": "representative"}
    assert codes(await state_as(district, "1", RecordKind.PEOPLE, mine)) == []
    relation = {"representative_id": "mine", "student_id": "s1", "kind": "parent", "in_force": "true"}
    assert codes(await state_as(district, "1", RecordKind.REPRESENTATIVES, relation)) == [(0, Code.FOREIGN_SCHOOL)]
