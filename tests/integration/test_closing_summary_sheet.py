"""The summary sheet: every final grade of a class's school year stands on it, ready to print (C5.4)."""

import io
from collections import Counter
from itertools import count
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import Database, school
from services.gradebook.summary_sheet import NoSuchClass, summary_sheet, workbook
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.support.builders.school_year import Generator
from tests.support.databases import ServiceDatabases

__all__ = ["district", "journal"]

YEARS = count(2000)


@pytest.fixture
async def database(service_database: ServiceDatabases) -> Database:
    """A database for generated years."""
    return await service_database("gradebook")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(min_value=0, max_value=2**40), language=st.sampled_from(["ru", "en"]))
async def test_every_final_grade_stands_on_the_sheet(
    database: Database, service_database: ServiceDatabases, seed: int, language: Any
) -> None:
    first = next(YEARS)
    year = Generator(seed).year(f"{first}/{first + 1}", ("Алгебра", "=1+1", "История"))
    async with service_database.as_superuser("gradebook") as conn:
        await year.write(conn)
    expected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for class_id in year.classes:
        sheet = await summary_sheet(database, school(year.school), year.school, class_id, year.school_year)
        page = openpyxl.load_workbook(io.BytesIO(workbook(sheet, language))).worksheets[0]
        members = {row["person_id"] for row in year.of("group_members") if row["group_id"] == class_id}
        own = [row for row in year.of("final_grades") if row["student_id"] in members and row["state"] != "withdrawn"]
        deferred = "отср. до 20.11.2026" if language == "ru" else "deferred to 20.11.2026"
        expected += Counter(row["value"] or deferred for row in own)
        lines = [[cell.value for cell in row] for row in page.iter_rows(min_row=4)]
        found += Counter(text for line in lines for text in line[3:] if text)
        in_json = [grade for student in sheet.as_json()["students"] for grade in student["grades"]]
        assert {grade["result_id"] for grade in in_json} == {row["result_id"] for row in own}
        assert not any(cell.data_type == "f" for row in page.iter_rows() for cell in row)
    assert found == expected


async def test_deferred_exempt_passed_and_held_are_told_apart_and_periods_are_in_order(district: Journal) -> None:
    await district.take(
        {
            "periods": "period_id,school_id,kind,number,school_year,starts_on,ends_on\n"
            "y,1,year,1,2026/2027,2026-09-01,2027-05-31\nq2,1,quarter,2,2026/2027,2026-11-05,2026-12-28\n"
            "h1,1,half_year,1,2026/2027,2026-09-01,2026-12-28\nf,1,final,1,2026/2027,2026-09-01,2027-05-31\n",
            "final_grades": "result_id,student_id,subject_id,period_id,value,obtained_at,held\n"
            "x1,s1,rus,q1,осв,2026-10-23T14:00:00+03:00,false\nx2,s2,rus,q1,зач,2026-10-23T14:00:00+03:00,true\n",
        }
    )
    school_id = await district.id_of("school", "1")
    class_id = await district.id_of("group", "7a")
    sheet = await summary_sheet(district.database, school(school_id), school_id, class_id, None)
    page = openpyxl.load_workbook(io.BytesIO(workbook(sheet))).worksheets[0]
    lines = [[cell.value for cell in row] for row in page.iter_rows(min_row=3, max_row=9)]
    assert lines[0] == ["№", "Ученик", "Период", "Алгебра", "Русский язык"]
    assert [line[2] for line in lines[1:]] == ["1 четверть", "2 четверть", "Год"] * 2
    assert lines[1] == ["1", "Образцов Борис", "1 четверть", "5*", "зач*"]
    assert lines[4] == ["2", "Примерова Анна Образцовна", "1 четверть", "4", "осв"]
    assert (page.page_setup.orientation, page.page_setup.paperSize, page.page_setup.fitToHeight) == (
        "landscape",
        9,
        0,
    )
    assert page.print_title_rows == "$1:$3"
    assert "7А класс, 2026/2027 учебный год" in str(page["A1"].value)


async def test_whoever_left_in_the_year_stays_on_the_sheet(district: Journal) -> None:
    await district.take({"members": "group_id,person_id,joined_on,left_on\n7a,s1,,2026-10-01\n"})
    school_id, class_id = await district.id_of("school", "1"), await district.id_of("group", "7a")
    sheet = await summary_sheet(district.database, school(school_id), school_id, class_id, "2026/2027")
    left = {student.name: student.left for student in sheet.students}
    assert left == {"Образцов Борис": False, "Примерова Анна Образцовна": True}
    with pytest.raises(NoSuchClass):
        await summary_sheet(district.database, school(school_id), school_id, class_id, "1999/2000")
    other = await district.id_of("school", "2")
    with pytest.raises(NoSuchClass):
        await summary_sheet(district.database, school(other), other, class_id, "2026/2027")
