"""The statistics benchmark: one period of a district of 100 schools, by school, and of one of its schools, by class.

Run by itself: `python -m tests.bench.district_statistics --marks 10000000`, or `make bench ARGS="--only statistics"`.
Writes `bench-results/statistics.json`. Counted is the use case that the API calls; the bare reference is one
`GROUP BY` over the marks alone, without row-level security and with nothing else counted. All marks are of the one
period that is counted; fifteen final grades a student and six lessons a day of every class come with them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import DISTRICT, Database, school
from chassis.migrations import migrate
from services.gradebook.statistics import handlers
from sutki.console import out
from sutki.stack.postgres import EmbeddedPostgres
from tests.bench.figures import figures, in_words, keep
from tests.support import folders
from tests.support.databases import SERVICES_FOLDER

MARKS = 1_000_000
SCHOOLS, MARKS_OF_STUDENT, CLASS_SIZE, SUBJECTS = 100, 100, 25, 15
DISTRICT_SECONDS, SCHOOL_SECONDS = 10.0, 1.0
"""What a district with ten million marks, and one of its schools, may take."""
ROUNDS = 3

_HISTORY = """
INSERT INTO schools
SELECT md5('s' || s)::uuid, 'd', 's' || s, 'Школа ' || s, '', 'Europe/Moscow', 1, now()
FROM generate_series(1, {schools}) s;
INSERT INTO subjects
SELECT md5('u' || u)::uuid, NULL, 'd', 'u' || u, 'Предмет ' || u FROM generate_series(1, {subjects}) u;
INSERT INTO periods (period_id, school_id, source, external_id, kind, number, school_year, starts_on, ends_on)
SELECT md5('p' || s)::uuid, md5('s' || s)::uuid, 'd', 'p' || s, 'quarter', 1, '2026/2027', '2026-09-01', '2026-10-25'
FROM generate_series(1, {schools}) s;
INSERT INTO persons
SELECT md5('n' || n)::uuid, 'd', 'n' || n, ARRAY[md5('s' || (n - 1) / {students} + 1)::uuid], '{{}}', 1, now()
FROM generate_series(1, {schools} * {students}) n;
INSERT INTO study_groups (group_id, school_id, source, external_id, kind, name, grade_level, open, changed_at)
SELECT md5('g' || g)::uuid, md5('s' || (g - 1) / {classes} + 1)::uuid, 'd', 'g' || g, 'class', '7', 7, true, now()
FROM generate_series(1, {schools} * {classes}) g;
INSERT INTO group_members (group_id, person_id, school_id, active, joined_at)
SELECT md5('g' || (n - 1) / {class_size} + 1)::uuid, md5('n' || n)::uuid, md5('s' || (n - 1) / {students} + 1)::uuid,
    true, now()
FROM generate_series(1, {schools} * {students}) n;
INSERT INTO marks (mark_id, school_id, student_id, subject_id, group_id, source, external_id, lesson_on, work_type,
    weight, value, state, recorded_at, revision)
SELECT md5('m' || m)::uuid, md5('s' || m % {schools} + 1)::uuid,
    md5('n' || m % {schools} * {students} + m / {schools} % {students} + 1)::uuid,
    md5('u' || m / 77 % {subjects} + 1)::uuid,
    md5('g' || (m % {schools} * {students} + m / {schools} % {students}) / {class_size} + 1)::uuid, 'd', 'm' || m,
    date '2026-09-01' + (m / 1000 % 55)::int, 'answer', 1 + (m % 3)::numeric / 2, (2 + m / 13 % 4)::text,
    'recorded', now(), 1
FROM generate_series(1, {marks}::bigint) m;
INSERT INTO final_grades (result_id, school_id, student_id, subject_id, period_id, source, external_id, state, value,
    held, obtained_at, stated_obtained_at, recorded_at, changed_at, revision, value_revision)
SELECT md5('f' || n || '.' || u)::uuid, md5('s' || (n - 1) / {students} + 1)::uuid, md5('n' || n)::uuid,
    md5('u' || u)::uuid, md5('p' || (n - 1) / {students} + 1)::uuid, 'd', 'f' || n || '.' || u, 'set',
    (2 + (n * 7 + u) % 4)::text, false,
    now(), now(), now(), now(), 1, 1
FROM generate_series(1, {schools} * {students}) n, generate_series(1, {subjects}) u;
INSERT INTO lessons (lesson_id, school_id, source, external_id, group_id, subject_id, teacher_id, lesson_on,
    number, room, lesson_type, topic, state, changed_by, changed_at, revision)
SELECT md5('l' || g || '.' || d || '.' || k)::uuid, md5('s' || (g - 1) / {classes} + 1)::uuid, 'd',
    'l' || g || '.' || d || '.' || k, md5('g' || g)::uuid, md5('u' || (g + d + k) % {subjects} + 1)::uuid,
    md5('t' || (g - 1) / {classes} || '.' || (g + k) % 60)::uuid, date '2026-09-01' + d, k, '', 'practice',
    'Тема ' || d, CASE WHEN (g + d * 3 + k) % 29 = 0 THEN 'cancelled' ELSE 'held' END, 'x', now(), 1
FROM generate_series(1, {schools} * {classes}) g, generate_series(0, 39) d, generate_series(1, 6) k;
INSERT INTO curriculum_plan (curriculum_id, school_id, source, external_id, group_id, subject_id, period_id,
    lesson_type, hours, state, changed_by, changed_at, revision)
SELECT md5('q' || g || '.' || u)::uuid, md5('s' || (g - 1) / {classes} + 1)::uuid, 'd', 'q' || g || '.' || u,
    md5('g' || g)::uuid, md5('u' || u)::uuid, md5('p' || (g - 1) / {classes} + 1)::uuid, 'practice', 16, 'active',
    'x', now(), 1
FROM generate_series(1, {schools} * {classes}) g, generate_series(1, {subjects}) u
"""
_BARE = "SELECT school_id, subject_id, value, count(*), sum(weight) FROM marks GROUP BY 1, 2, 3"


async def measure(marks: int) -> dict[str, Any]:
    """Fills a gradebook, counts, and returns the figures.

    Args:
        marks: of the district in the period, at least 250,000: a class a school.
    """
    folder = folders.make("bench-statistics")
    try:
        async with EmbeddedPostgres(folder / "postgres") as postgres:
            await postgres.prepare(["gradebook"])
            await migrate(postgres.owner_url("gradebook"), "gradebook", SERVICES_FOLDER / "gradebook" / "migrations")
            admin = await asyncpg.connect(postgres.superuser_url("sutki_gradebook"))
            database = await Database.connect(postgres.url("gradebook"), application_name="bench")
            try:
                await _fill(admin, marks)
                one = await admin.fetchrow("SELECT school_id, period_id FROM periods LIMIT 1")
                assert one is not None
                return _figures(
                    marks,
                    bare=await _best(lambda: admin.fetch(_BARE)),
                    district=await _best(lambda: _of_district(database)),
                    school=await _best(lambda: _of_school(database, *one)),
                )
            finally:
                await database.close()
                await admin.close()
    finally:
        folders.remove(folder)


async def _fill(admin: "asyncpg.Connection[asyncpg.Record]", marks: int) -> None:
    students = marks // SCHOOLS // MARKS_OF_STUDENT
    sizes = {"schools": SCHOOLS, "students": students, "class_size": CLASS_SIZE, "classes": students // CLASS_SIZE}
    for statement in _HISTORY.format(**sizes, subjects=SUBJECTS, marks=marks).split(";\n"):
        await admin.execute(statement)
    await admin.execute("VACUUM ANALYZE")


async def _of_district(database: Database) -> None:
    counted = await handlers.of_district(
        database, DISTRICT, kind="quarter", number=1, school_year="2026/2027", by="school"
    )
    assert len(counted.rows) == SCHOOLS


async def _of_school(database: Database, school_id: UUID, period_id: UUID) -> None:
    await handlers.of_school(database, school(school_id), school_id, period_id, by="class")


async def _best(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the quickest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _figures(marks: int, *, bare: float, district: float, school: float) -> dict[str, Any]:
    seconds = {
        "district_seconds": round(district, 2),
        "school_seconds": round(school, 3),
        "bare_seconds": round(bare, 2),
    }
    ours, reference = marks / district, marks / bare
    return figures("district statistics", ours=ours, bare=reference, unit="marks/s", n=ROUNDS, marks=marks, **seconds)


def run(marks: int) -> bool:
    """Measures, keeps and shows; false when the district or the school took longer than it may."""
    taken = asyncio.run(measure(marks))
    keep("statistics.json", taken)
    out.print(in_words(taken))
    out.print(
        f"{marks:,} marks in {taken['district_seconds']} s (at most {DISTRICT_SECONDS:.0f}), one school "
        f"{taken['school_seconds']} s (at most {SCHOOL_SECONDS:.0f}); bare GROUP BY {taken['bare_seconds']} s"
    )
    return bool(taken["district_seconds"] <= DISTRICT_SECONDS and taken["school_seconds"] <= SCHOOL_SECONDS)


def main() -> None:
    """The command. Exit code 1: too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=int, default=MARKS)
    sys.exit(0 if run(parser.parse_args().marks) else 1)


if __name__ == "__main__":
    main()
