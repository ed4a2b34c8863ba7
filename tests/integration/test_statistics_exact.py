"""Every figure of the statistics is right to the last digit: computed again by DuckDB over exported rows (C5.2)."""

import io
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import DISTRICT, Database, school
from services.gradebook.statistics import handlers
from services.gradebook.statistics.tables import By, Row, Statistics
from services.gradebook.statistics.workbook import workbook
from tests.support.builders.school_year import Generator, SchoolYear
from tests.support.databases import ServiceDatabases

TABLES = (
    "periods",
    "subjects",
    "study_groups",
    "group_members",
    "teaching",
    "curriculum_plan",
    "final_grades",
    "marks",
    "lessons",
    "substitutions",
)
EXAMPLES = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SEEDS = st.integers(min_value=0, max_value=2**40)
YEARS: Iterator[int] = count(2000)
TITLES = ("Алгебра", "Русский язык", "История", "Химия")

# Half up in whole numbers, nothing binary on the way: hundredths of n / d.
HUNDREDTHS = "CREATE MACRO hundredths(n, d) AS (200 * n + d) // (2 * d)"
OWN = """
CREATE VIEW results AS
SELECT f.student_id, f.subject_id, f.state, f.value, m.group_id AS class_id
FROM final_grades f
LEFT JOIN (SELECT group_id, person_id FROM group_members JOIN study_groups USING (group_id) WHERE kind = 'class') m
    ON m.person_id = f.student_id
WHERE f.period_id = '{quarter}' AND f.state IN ('set', 'deferred');
CREATE VIEW given_marks AS
SELECT k.*, m.group_id AS class_id, CAST(k.weight AS DECIMAL(10, 2)) AS heavy
FROM marks k JOIN periods p ON p.period_id = '{quarter}' AND p.school_id = k.school_id
LEFT JOIN (SELECT group_id, person_id FROM group_members JOIN study_groups USING (group_id) WHERE kind = 'class') m
    ON m.person_id = k.student_id
WHERE k.state = 'recorded' AND k.lesson_on >= p.starts_on AND k.lesson_on <= p.ends_on;
"""
RESULT_FIGURES = """
    count(*) FILTER (WHERE state = 'set') AS total, count(*) FILTER (WHERE state = 'deferred') AS deferred,
    {counts},
    CASE WHEN count(*) FILTER (WHERE value IN ('1', '2', '3', '4', '5')) > 0 THEN hundredths(
        sum(TRY_CAST(value AS BIGINT)), count(*) FILTER (WHERE value IN ('1', '2', '3', '4', '5'))) END AS average,
    CASE WHEN {n} > 0 THEN hundredths(100 * count(*) FILTER (WHERE value IN ('3', '4', '5')), {n}) END AS success,
    CASE WHEN {n} > 0 THEN hundredths(100 * count(*) FILTER (WHERE value IN ('4', '5')), {n}) END AS quality,
    CASE WHEN {n} > 0 THEN hundredths(sum(CASE value
        WHEN '5' THEN 100 WHEN '4' THEN 64 WHEN '3' THEN 36 WHEN '2' THEN 16 WHEN 'н/а' THEN 8 ELSE 0 END), {n})
    END AS degree
"""
VALUES = ("5", "4", "3", "2", "1", "н/а", "осв", "зач", "незач")


def result_figures() -> str:
    """What is computed of final grades."""
    counts = ", ".join(f"count(*) FILTER (WHERE value = '{value}')" for value in VALUES)
    n = "count(*) FILTER (WHERE value IN ('1', '2', '3', '4', '5', 'н/а'))"
    return RESULT_FIGURES.format(counts=counts, n=n)


def shown(hundredths: Any) -> str | None:
    """Hundredths as the statistics show them."""
    return None if hundredths is None else str((Decimal(int(hundredths)) / 100).quantize(Decimal("0.01")))


class Again:
    """The figures computed once more, by another program over exported rows."""

    def __init__(self, folder: Path, quarter: UUID) -> None:
        self.db = duckdb.connect()
        self.db.execute(HUNDREDTHS)
        for table in TABLES:
            file = folder / f"{table}.csv"
            self.db.execute(f"CREATE TABLE {table} AS SELECT * FROM read_csv('{file}', header=true, all_varchar=true)")
        self.db.execute(OWN.format(quarter=quarter))

    def results(self, source: str, unit: str) -> dict[str, list[Any]]:
        """Figures of final grades by a unit."""
        rows = self.db.execute(f"SELECT {unit}, {result_figures()} FROM {source} GROUP BY 1").fetchall()
        return {str(row[0]): [*map(int, row[1:12]), *map(shown, row[12:])] for row in rows}

    def marks(self, unit: str) -> dict[str, list[Any]]:
        """Figures of marks by a unit."""
        rows = self.db.execute(
            f"""
            SELECT {unit}, count(*), {", ".join(f"count(*) FILTER (WHERE value = '{value}')" for value in VALUES)},
                CASE WHEN count(*) FILTER (WHERE value BETWEEN '1' AND '5') > 0 THEN hundredths(
                    sum(TRY_CAST(value AS BIGINT)), count(*) FILTER (WHERE value BETWEEN '1' AND '5')) END,
                CASE WHEN count(*) FILTER (WHERE value BETWEEN '1' AND '5') > 0 THEN hundredths(
                    CAST(sum(heavy * 100 * TRY_CAST(value AS BIGINT)) AS HUGEINT),
                    CAST(sum(heavy * 100) FILTER (WHERE value BETWEEN '1' AND '5') AS HUGEINT)) END
            FROM given_marks GROUP BY 1
            """
        ).fetchall()
        return {str(row[0]): [*map(int, row[1:11]), *map(shown, row[11:])] for row in rows}

    def lessons(self, unit: str, where: str = "true") -> dict[str, list[Any]]:
        """Figures of lessons by a unit."""
        rows = self.db.execute(
            f"""
            WITH change AS (
                SELECT s.*, coalesce(s.lesson_id, l.lesson_id) AS lesson
                FROM substitutions s JOIN periods p ON p.kind = 'quarter' AND p.school_id = s.school_id
                LEFT JOIN lessons l ON s.lesson_id IS NULL AND l.state <> 'withdrawn'
                    AND (l.group_id, l.lesson_on, l.number) = (s.group_id, s.lesson_on, s.number)
                WHERE s.state = 'announced' AND s.lesson_on BETWEEN p.starts_on AND p.ends_on
            ),
            one AS (
                SELECT l.group_id, l.teacher_id, l.subject_id, l.lesson_type, l.state,
                    l.lesson_id IN (SELECT lesson FROM change WHERE kind = 'moved' AND lesson IS NOT NULL) AS moved,
                    l.lesson_id IN (SELECT lesson FROM change WHERE kind = 'replaced' AND lesson IS NOT NULL) AS other,
                    l.lesson_id IN (SELECT lesson FROM change WHERE kind = 'cancelled' AND lesson IS NOT NULL) AS off,
                    l.lesson_id IN (
                        SELECT c.lesson FROM change c
                        JOIN lessons n ON n.state <> 'withdrawn' AND n.lesson_id <> c.lesson
                            AND (n.group_id, n.lesson_on, n.number) = (c.group_id, c.moved_to_on, c.moved_to_number)
                        WHERE c.kind = 'moved'
                    ) AS anew
                FROM lessons l JOIN periods p ON p.kind = 'quarter' AND p.school_id = l.school_id
                WHERE l.state <> 'withdrawn' AND l.lesson_on BETWEEN p.starts_on AND p.ends_on
                UNION ALL
                SELECT group_id, NULL, subject_id, 'other',
                    CASE kind WHEN 'cancelled' THEN 'cancelled' ELSE 'undated' END,
                    kind = 'moved', kind = 'replaced', false, false
                FROM change WHERE lesson IS NULL
            )
            SELECT {unit},
                count(*) FILTER (WHERE state = 'held' OR (state <> 'undated' AND NOT anew)),
                count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE moved), count(*) FILTER (WHERE other),
                count(*) FILTER (WHERE NOT moved AND (state = 'cancelled' OR (state = 'planned' AND off)))
            FROM one JOIN (SELECT group_id, kind FROM study_groups) g USING (group_id) WHERE {where} GROUP BY 1
            """
        ).fetchall()
        return {str(row[0]): [int(value) for value in row[1:]] for row in rows}

    def plan(self, unit: str, where: str = "true") -> dict[str, str]:
        """Hours of the plan by a unit."""
        rows = self.db.execute(
            f"""
            SELECT {unit}, sum(CAST(hours AS DECIMAL(10, 2)))
            FROM curriculum_plan c JOIN (SELECT group_id, kind FROM study_groups) g USING (group_id)
            WHERE c.state = 'active' AND {where} GROUP BY 1
            """
        ).fetchall()
        return {str(row[0]): str(Decimal(row[1]).quantize(Decimal("0.01"))) for row in rows}


def result_row(row: Row) -> list[Any]:
    """A row's figures of final grades in the same order."""
    found = row.as_json()["results"]
    shares = ("average", "success_percent", "quality_percent", "degree_of_learning_percent")
    return [
        found["total"],
        found["deferred"],
        *(found["counts"][value] for value in VALUES),
        *(found[name] for name in shares),
    ]


def mark_row(row: Row) -> list[Any]:
    """A row's figures of marks in the same order."""
    found = row.as_json()["marks"]
    return [
        found["total"],
        *(found["counts"].get(value, 0) for value in VALUES),
        found["average"],
        found["weighted_average"],
    ]


def lesson_row(row: Row) -> list[int]:
    """A row's figures of lessons in the same order."""
    lessons = row.lessons
    return [lessons.planned, lessons.held, lessons.moved, lessons.substituted, lessons.lost]


class Journal:
    """A database into which years are written, and from which their rows are exported."""

    def __init__(self, databases: ServiceDatabases, database: Database, folder: Path) -> None:
        self._databases = databases
        self.database = database
        self._folder = folder

    async def write(self, years: list[SchoolYear]) -> None:
        """Writes generated years."""
        async with self._databases.as_superuser("gradebook") as conn:
            for year in years:
                await year.write(conn)

    async def exported(self, years: list[SchoolYear]) -> Again:
        """The rows of these schools, in the hands of DuckDB."""
        schools = [year.school for year in years]
        async with self._databases.as_superuser("gradebook") as conn:
            for table in TABLES:
                query = f"SELECT * FROM {table} WHERE school_id = ANY($1)"
                await conn.copy_from_query(
                    query, schools, output=self._folder / f"{table}.csv", format="csv", header=True
                )
        return Again(self._folder, years[0].quarter)

    async def counted(self, year: SchoolYear, by: By, *, split: bool = False) -> Statistics:
        """The statistics of a school's quarter, as the school may see them."""
        scope = school(year.school)
        return await handlers.of_school(self.database, scope, year.school, year.quarter, by=by, split_by_subject=split)


@pytest.fixture
async def statistics(service_database: ServiceDatabases, tmp_path: Path) -> Journal:
    """A database for generated years."""
    return Journal(service_database, await service_database("gradebook"), tmp_path)


def a_year(seed: int) -> SchoolYear:
    """A year that no other example has."""
    first = next(YEARS)
    return Generator(seed).year(f"{first}/{first + 1}", TITLES)


def differing(counted: Statistics, figures: Any, again: dict[str, list[Any]], *, nothing: list[Any]) -> dict[str, Any]:
    """Units whose figures are not those that were computed again."""
    mine = {str(row.unit_id): figures(row) for row in counted.rows}
    return {
        unit: (mine.get(unit, nothing), again.get(unit, nothing))
        for unit in mine.keys() | again.keys()
        if mine.get(unit, nothing) != again.get(unit, nothing)
    }


NO_RESULTS: list[Any] = [0] * 11 + [None] * 4
NO_MARKS: list[Any] = [0] * 10 + [None] * 2
NO_LESSONS: list[Any] = [0] * 5


@EXAMPLES
@given(seed=SEEDS)
async def test_final_grades_by_class_subject_group_teacher_and_school(statistics: Journal, seed: int) -> None:
    year = a_year(seed)
    await statistics.write([year])
    again = await statistics.exported([year])
    in_groups = """(
        SELECT r.*, g.group_id FROM results r JOIN group_members m ON m.person_id = r.student_id
        JOIN study_groups g USING (group_id) WHERE g.kind <> 'class' AND (g.subject_id = r.subject_id OR EXISTS (
            SELECT 1 FROM teaching t
            WHERE t.state = 'active' AND (t.group_id, t.subject_id) = (g.group_id, r.subject_id)
        )))"""
    taught = """(
        SELECT DISTINCT r.*, t.teacher_id FROM results r JOIN group_members m ON m.person_id = r.student_id
        JOIN teaching t ON t.state = 'active' AND (t.group_id, t.subject_id) = (m.group_id, r.subject_id))"""
    sources: list[tuple[By, str, str]] = [
        ("class", "results", "class_id"),
        ("subject", "results", "subject_id"),
        ("school", "results", f"'{year.school}'"),
        ("group", in_groups, "group_id"),
        ("teacher", taught, "teacher_id"),
    ]
    for by, source, unit in sources:
        counted = await statistics.counted(year, by)
        assert differing(counted, result_row, again.results(source, unit), nothing=NO_RESULTS) == {}, by
        total = again.results("results", "'all'").get("all", NO_RESULTS)
        assert result_row(counted.total) == total
    split = await statistics.counted(year, "class", split=True)
    mine = {
        f"{row.unit_id}/{row.subject_id}": result_row(row) for row in split.rows if row.results.total + row.deferred
    }
    assert mine == again.results("results", "class_id || '/' || subject_id")


@EXAMPLES
@given(seed=SEEDS)
async def test_marks_by_class_subject_group_teacher_and_school(statistics: Journal, seed: int) -> None:
    year = a_year(seed)
    await statistics.write([year])
    again = await statistics.exported([year])
    groups = {str(row["group_id"]) for row in year.of("study_groups") if row["kind"] != "class"}
    for by, unit in (
        ("class", "class_id"),
        ("subject", "subject_id"),
        ("school", f"'{year.school}'"),
        ("group", "group_id"),
        ("teacher", "author_id"),
    ):
        expected = again.marks(unit)
        if by == "group":
            expected = {key: row for key, row in expected.items() if key in groups}
        counted = await statistics.counted(year, by)  # type: ignore[arg-type]
        assert differing(counted, mark_row, expected, nothing=NO_MARKS) == {}, by
        assert mark_row(counted.total) == again.marks("'all'").get("all", NO_MARKS)


@EXAMPLES
@given(seed=SEEDS)
async def test_lessons_against_the_plan(statistics: Journal, seed: int) -> None:
    year = a_year(seed)
    await statistics.write([year])
    again = await statistics.exported([year])
    cases: list[tuple[By, str, str]] = [
        ("class", "group_id", "kind = 'class'"),
        ("group", "group_id", "kind <> 'class'"),
        ("subject", "one.subject_id", "true"),
        ("school", f"'{year.school}'", "true"),
        ("teacher", "teacher_id", "true"),
    ]
    for by, unit, where in cases:
        counted = await statistics.counted(year, by)
        assert differing(counted, lesson_row, again.lessons(unit, where), nothing=NO_LESSONS) == {}, by
        if by != "teacher":
            plan = again.plan(unit.replace("one.", "c."), where)
            mine = {str(row.unit_id): row.as_json()["lessons"]["plan_hours"] for row in counted.rows}
            assert {key: hours for key, hours in mine.items() if hours != "0.00"} == {
                key: hours for key, hours in plan.items() if hours != "0.00"
            }
    whole = (await statistics.counted(year, "school")).total
    by_type = {name: lesson_row(Row(None, "", lesson_types={name: one})) for name, one in whole.lesson_types.items()}
    found = again.lessons("lesson_type")
    assert {name: figures for name, figures in by_type.items() if any(figures)} == {
        name: figures for name, figures in found.items() if any(figures)
    }


@EXAMPLES
@given(seed=SEEDS)
async def test_the_district_is_the_sum_of_its_schools_and_subjects_of_one_title_are_one(
    statistics: Journal, seed: int
) -> None:
    first = next(YEARS)
    generator = Generator(seed)
    years = [generator.year(f"{first}/{first + 1}", titles) for titles in (TITLES, TITLES[1:], TITLES[:2])]
    await statistics.write(years)
    again = await statistics.exported(years)
    quarters = ", ".join(f"'{year.quarter}'" for year in years)
    graded = f"(SELECT * FROM final_grades JOIN subjects USING (subject_id) WHERE period_id IN ({quarters})"
    graded += " AND state <> 'withdrawn')"
    for by, unit in (("school", "school_id"), ("subject", "lower(title)"), ("district", "'None'")):
        counted = await handlers.of_district(
            statistics.database,
            DISTRICT,
            kind="quarter",
            number=1,
            school_year=f"{first}/{first + 1}",
            by=by,  # type: ignore[arg-type]
        )
        source = graded.replace("SELECT *", "SELECT final_grades.*, title", 1)
        mine = {(row.title.lower() if by == "subject" else str(row.unit_id)): row for row in counted.rows}
        expected = again.results(source, unit)
        assert {key: result_row(row) for key, row in mine.items() if row.results.total + row.deferred} == expected, by
    schools = [(await statistics.counted(year, "school")).total for year in years]
    assert counted.total.marks.total == sum(one.marks.total for one in schools)
    assert lesson_row(counted.total) == [sum(column) for column in zip(*map(lesson_row, schools), strict=True)]
    assert counted.total.lessons.plan == sum(one.lessons.plan for one in schools)


async def test_topics_that_no_lesson_covered_are_named_once(statistics: Journal) -> None:
    year = a_year(3)
    await statistics.write([year])
    counted = await statistics.counted(year, "school")
    held = {(row["group_id"], row["subject_id"], row["topic"]) for row in year.of("lessons") if row["state"] == "held"}
    quarter = year.of("periods")[0]
    expected = {
        (row["group_id"], row["subject_id"], row["topic"])
        for row in year.of("lessons")
        if row["state"] in ("planned", "cancelled")
        and row["topic"]
        and quarter["starts_on"] <= row["lesson_on"] <= quarter["ends_on"]
        and (row["group_id"], row["subject_id"], row["topic"]) not in held
    }
    assert expected
    assert {(one.group_id, one.subject_id, one.topic) for one in counted.total.topics} == expected


async def test_a_year_has_the_plan_of_its_quarters_where_it_has_none_of_its_own(statistics: Journal) -> None:
    year = a_year(5)
    await statistics.write([year])
    whole = year.of("periods")[1]["period_id"]
    quarter = await statistics.counted(year, "school")
    found = await handlers.of_school(statistics.database, DISTRICT, year.school, whole, by="school")
    assert quarter.total.lessons.plan > 0
    assert found.total.lessons.plan == quarter.total.lessons.plan


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_the_workbook_says_the_same_figures_as_the_api(statistics: Journal, language: Any) -> None:
    year = a_year(11)
    year.of("study_groups")[2]["name"] = "=HYPERLINK(1)"
    await statistics.write([year])
    counted = await statistics.counted(year, "class", split=True)
    book = openpyxl.load_workbook(io.BytesIO(workbook(counted, language)))
    results = book.worksheets[0]
    lines = [[cell.value for cell in row] for row in results.iter_rows(min_row=4)]
    assert len(lines) == len(counted.rows) + 1
    for line, row in zip(lines, [*counted.rows, counted.total], strict=True):
        found = row.as_json()["results"]
        assert line[2:11] == [found["counts"][value] for value in VALUES]
        average = found["average"]
        assert line[12] == (None if average is None else float(average))
    assert any(str(line[0]).startswith("=") for line in lines)
    for page in book.worksheets:
        assert page.page_setup.orientation == "landscape"
        assert all(cell.data_type != "f" for row in page.iter_rows() for cell in row)


async def test_a_period_of_another_school_is_none_of_ours(statistics: Journal) -> None:
    one, other = a_year(1), a_year(2)
    await statistics.write([one, other])
    with pytest.raises(handlers.NoSuchPeriod):
        await handlers.of_school(statistics.database, school(one.school), one.school, other.quarter, by="class")
