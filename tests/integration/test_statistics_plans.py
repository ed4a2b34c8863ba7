"""Plans of the statistics and of closing: with a long history they read what is asked for and nothing else (C5.2)."""

from typing import Any

import pytest

from chassis.database import DISTRICT, Connection, Database
from services.gradebook import summary_queries
from services.gradebook.closing import deferral_queries
from services.gradebook.closing import queries as closing_queries
from services.gradebook.statistics import queries
from tests.support.databases import ServiceDatabases

SCHOOLS, STUDENTS, MARKS = 20, 100, 200_000

HISTORY = f"""
INSERT INTO schools
SELECT md5('s' || s)::uuid, 'd', 's' || s, 'Школа', '', 'Europe/Moscow', 1, now() FROM generate_series(1, {SCHOOLS}) s;
INSERT INTO subjects SELECT md5('u' || u)::uuid, NULL, 'd', 'u' || u, 'Предмет' FROM generate_series(1, 10) u;
INSERT INTO periods (period_id, school_id, source, external_id, kind, number, school_year, starts_on, ends_on)
SELECT md5('p' || s || '.' || q)::uuid, md5('s' || s)::uuid, 'd', 'p' || s || '.' || q, 'quarter', q, '2026/2027',
    date '2026-09-01' + (q - 1) * 60, date '2026-09-01' + q * 60 - 1
FROM generate_series(1, {SCHOOLS}) s, generate_series(1, 4) q;
INSERT INTO persons
SELECT md5('n' || n)::uuid, 'd', 'n' || n, ARRAY[md5('s' || n % {SCHOOLS} + 1)::uuid], '{{}}', 1, now()
FROM generate_series(1, {SCHOOLS * STUDENTS}) n;
INSERT INTO study_groups (group_id, school_id, source, external_id, kind, name, grade_level, open, changed_at)
SELECT md5('g' || s || '.' || c)::uuid, md5('s' || s)::uuid, 'd', 'g' || s || '.' || c, 'class', '7', 7, true, now()
FROM generate_series(1, {SCHOOLS}) s, generate_series(1, 4) c;
INSERT INTO group_members (group_id, person_id, school_id, active, joined_at)
SELECT md5('g' || n % {SCHOOLS} + 1 || '.' || n / {SCHOOLS} % 4 + 1)::uuid, md5('n' || n)::uuid,
    md5('s' || n % {SCHOOLS} + 1)::uuid, true, now()
FROM generate_series(1, {SCHOOLS * STUDENTS}) n;
INSERT INTO marks (mark_id, school_id, student_id, subject_id, source, external_id, lesson_on, work_type, weight, value,
    state, recorded_at, revision)
SELECT md5('m' || m)::uuid, md5('s' || m % {SCHOOLS} + 1)::uuid,
    md5('n' || m % {SCHOOLS * STUDENTS} + 1)::uuid, md5('u' || m % 7 + 1)::uuid,
    'd', 'm' || m, date '2026-09-01' + (m / 100 % 240)::int, 'answer', 1, '4', 'recorded', now(), 1
FROM generate_series(1, {MARKS}) m;
INSERT INTO final_grades (result_id, school_id, student_id, subject_id, period_id, source, external_id, state, value,
    held, obtained_at, stated_obtained_at, recorded_at, changed_at, revision, value_revision)
SELECT md5('f' || n || '.' || u || '.' || q)::uuid, md5('s' || n % {SCHOOLS} + 1)::uuid,
    md5('n' || n)::uuid, md5('u' || u)::uuid,
    md5('p' || n % {SCHOOLS} + 1 || '.' || q)::uuid, 'd', 'f', 'set', '4', false, now(), now(), now(), now(), 1, 1
FROM generate_series(1, {SCHOOLS * STUDENTS}) n, generate_series(1, 10) u, generate_series(1, 4) q;
INSERT INTO lessons (lesson_id, school_id, source, external_id, group_id, subject_id, lesson_on, number, room,
    lesson_type, topic, state, changed_by, changed_at, revision)
SELECT md5('l' || s || '.' || c || '.' || d)::uuid, md5('s' || s)::uuid, 'd',
    'l', md5('g' || s || '.' || c)::uuid, md5('u1')::uuid,
    date '2026-09-01' + d, 1, '', 'practice', '', 'held', 'x', now(), 1
FROM generate_series(1, {SCHOOLS}) s, generate_series(1, 4) c, generate_series(0, 239) d;
INSERT INTO deferrals
SELECT md5('d' || n)::uuid, md5('s' || n % {SCHOOLS} + 1)::uuid, md5('n' || n % {SCHOOLS * STUDENTS} + 1)::uuid,
    md5('u1')::uuid, md5('p' || n % {SCHOOLS} + 1 || '.1')::uuid, md5('r' || n)::uuid,
    'fulfilled', 'illness', '1', '2026-10-01', '2026-11-01', '2026-11-02', '', md5('x' || n)::uuid, 'x', now(), 1
FROM generate_series(1, 20000) n;
"""
LARGE = {"marks", "final_grades", "lessons", "deferrals", "group_members"}


def made(name: str) -> str:
    """The id that the history gave something."""
    return f"md5('{name}')::uuid"


SCHOOL, QUARTER = made("s3"), made("p3.1")
START, END = "date '2026-09-01'", "date '2026-10-30'"
BY_CLASS = [SCHOOL, END, QUARTER]
IDS = f"ARRAY[{made('n2')}, {made('n3')}]"

HOT: list[tuple[str, str, list[str]]] = [
    ("results by class", queries._RESULTS_BY_CLASS, BY_CLASS),
    ("results by group", queries._RESULTS_BY_GROUP, [*BY_CLASS, START]),
    ("results by teacher", queries._RESULTS_BY_TEACHER, [*BY_CLASS, START]),
    ("marks by class", queries._MARKS_BY_CLASS, [SCHOOL, END, START]),
    ("marks by group", queries._MARKS_BY_GROUP, [SCHOOL, END, START]),
    ("marks by teacher", queries._MARKS_BY_TEACHER, [SCHOOL, END, START]),
    ("lessons", queries._LESSONS, [f"ARRAY[{QUARTER}]"]),
    ("topics", queries._TOPICS, [SCHOOL, START, END]),
    ("mark sums of closing", closing_queries._MARK_SUMS, [SCHOOL, START, END, "NULL"]),
    ("grades of closing", closing_queries._GIVEN, [SCHOOL, QUARTER]),
    ("members", closing_queries._MEMBERS, [SCHOOL, END]),
    ("running deferrals", closing_queries._RUNNING, [SCHOOL, QUARTER]),
    ("due deferrals", deferral_queries._DUE, ["now()", "500"]),
    ("next deferral", deferral_queries._NEXT_DUE, ["now()"]),
    ("stand-ins", deferral_queries._STAND_INS, [IDS]),
    ("summary sheet", summary_queries._GRADES, [SCHOOL, IDS, f"ARRAY[{QUARTER}]"]),
]


@pytest.fixture
async def database(service_database: ServiceDatabases) -> Database:
    """A gradebook with a long history of many schools."""
    database = await service_database("gradebook")
    async with service_database.as_superuser("gradebook") as conn:
        await conn.execute(HISTORY)
        await conn.execute("VACUUM ANALYZE")
    return database


def nodes(plan: Any) -> list[Any]:
    """Every step of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


async def plan_of(conn: Connection, query: str, arguments: list[str], *options: str) -> Any:
    """How the database would do it."""
    for position in range(len(arguments), 0, -1):
        query = query.replace(f"${position}", arguments[position - 1])
    found = await conn.fetchval(f"EXPLAIN ({', '.join(['FORMAT JSON', *options])}) {query}")
    return found[0]["Plan"]


async def test_no_question_about_a_school_reads_a_large_table_from_end_to_end(database: Database) -> None:
    slow = {}
    for name, query, arguments in HOT:
        async with database.transaction(DISTRICT) as conn:
            plan = await plan_of(conn, query, arguments)
        whole = [
            node["Relation Name"]
            for node in nodes(plan)
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
        ]
        if whole:
            slow[name] = whole
    assert slow == {}


async def test_marks_and_results_are_counted_from_their_indexes_alone(database: Database) -> None:
    quarters = f"ARRAY(SELECT md5('p' || s || '.1')::uuid FROM generate_series(1, {SCHOOLS}) s)"
    for query, arguments, index in (
        (queries._MARKS_BY_CLASS, [SCHOOL, END, START], "marks_of_school"),
        (queries._MARKS_BY_GROUP, [SCHOOL, END, START], "marks_of_school"),
        (queries._MARKS_BY_TEACHER, [SCHOOL, END, START], "marks_of_school"),
        (queries._MARKS_BY_SCHOOL, [quarters], "marks_of_school"),
        (queries._RESULTS_BY_CLASS, BY_CLASS, "final_grades_of_period"),
        (queries._RESULTS_BY_SCHOOL, [quarters], "final_grades_of_period"),
    ):
        async with database.transaction(DISTRICT) as conn:
            plan = await plan_of(conn, query, arguments)
        used = {node["Index Name"] for node in nodes(plan) if node["Node Type"] == "Index Only Scan"}
        assert index in used, plan


async def test_a_schools_statistics_touch_its_own_marks_only(database: Database) -> None:
    async with database.transaction(DISTRICT) as conn:
        plan = await plan_of(conn, queries._MARKS_BY_CLASS, [SCHOOL, END, START], "ANALYZE")
        own = await conn.fetchval(
            f"SELECT count(*) FROM marks WHERE school_id = {SCHOOL} AND lesson_on BETWEEN {START} AND {END}"
        )
    read = [node["Actual Rows"] for node in nodes(plan) if node.get("Relation Name") == "marks"]
    assert read == [own]
    assert 0 < own < MARKS / SCHOOLS
