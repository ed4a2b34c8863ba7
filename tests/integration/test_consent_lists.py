"""What a secretary looks for and finds: names, classes, who has not answered, whom to ask anew."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Scope, school
from contracts.base import PersonId, SchoolId
from contracts.person_changed import Role
from tests.integration.consent_door import an_office
from tests.integration.consent_office import COURT, Office, a_parent, a_pupil, pair_of
from tests.integration.test_consent_registry import GIVEN, REFUSED, an_answer
from tests.support.databases import ServiceDatabases

SEVENTH, TENTH = uuid4(), uuid4()


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    async with an_office(service_database) as made:
        yield made


async def _family(
    office: Office,
    name: tuple[str, str, str],
    parent: tuple[str, str] = ("Образцова", "Мария"),
    *,
    class_id: UUID = SEVENTH,
    class_name: str = "7А",
    **more: Any,
) -> tuple[PersonId, PersonId]:
    who = PersonId(uuid4())
    school = more.pop("school_id", office.home)
    pupil = a_pupil(who, school_id=school, name=name, class_id=class_id, class_name=class_name, **more)
    await office.registry.knows(a_parent(who, *parent), pupil)
    return who, pupil.person_id


async def _found(office: Office, query: str, **more: Any) -> list[str]:
    answer = await office.post(f"/v1/schools/{office.home}/people/search", {"query": query, **more})
    assert answer.status_code == 200, answer.text
    return [f"{one['family']} {one['given']}" for one in answer.json()["people"]]


async def test_people_are_found_by_the_beginnings_of_names_in_any_order(office):
    await _family(office, ("Алёшина", "Анна", "Петровна"))
    await _family(office, ("Борисов-Петренко", "Олег", ""), ("Алешина", "Ольга"))

    assert await _found(office, "алеш") == ["Алешина Ольга", "Алёшина Анна"]
    assert await _found(office, "  АННА ал") == ["Алёшина Анна"]
    assert await _found(office, "петре") == ["Борисов-Петренко Олег"]
    assert await _found(office, "шина") == []


async def test_a_class_narrows_the_search(office):
    await _family(office, ("Первых", "Анна", ""), class_name="7А")
    await _family(office, ("Первых", "Борис", ""), class_id=TENTH, class_name="10-Б")

    assert await _found(office, "первых 7а") == ["Первых Анна"]
    assert await _found(office, "10б") == ["Образцова Мария", "Первых Борис"]


@pytest.mark.parametrize("query", ["%", "_", "a%' OR 1=1 --", "\\"])
async def test_what_means_something_to_a_pattern_means_nothing_here(office, query):
    await _family(office, ("Алёшина", "Анна", ""))
    answer = await office.post(f"/v1/schools/{office.home}/people/search", {"query": query})
    if answer.status_code == 200:
        assert answer.json()["people"] == []
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "no_words")


async def test_a_search_goes_on_page_by_page_and_misses_nobody(office):
    for number in range(5):
        await _family(office, ("Первых", f"Имя{number}", ""), ("Первых", f"Мать{number}"))
    whole = await _found(office, "первых", limit=100)
    pages: list[str] = []
    after = ""
    while True:
        body = {"query": "первых", "limit": 3, "after": after}
        page = (await office.post(f"/v1/schools/{office.home}/people/search", body)).json()
        pages += [f"{one['family']} {one['given']}" for one in page["people"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert pages == whole
    assert len(whole) == 10


async def test_a_school_finds_nobody_of_another(office):
    await _family(office, ("Чужих", "Анна", ""), school_id=SchoolId(uuid4()))

    assert await _found(office, "чужих") == []
    foreign = await office.post(f"/v1/schools/{uuid4()}/people/search", {"query": "чужих"})
    assert foreign.status_code == 403
    assert (await office.get(f"/v1/schools/{uuid4()}/pairs")).status_code == 403
    assert (await office.get(f"/v1/schools/{uuid4()}/pairs.csv")).status_code == 403


async def test_row_level_security_keeps_names_and_schools_apart_too(office):
    await _family(office, ("Своих", "Анна", ""))
    await _family(office, ("Чужих", "Анна", ""), ("Чужих", "Ольга"), school_id=SchoolId(uuid4()))
    await office.knows_school()

    async with office.registry.database.transaction(school(office.home)) as conn:
        names = {row["family"] for row in await conn.fetch("SELECT family FROM people")}
        schools = await conn.fetchval("SELECT count(*) FROM schools")
    async with office.registry.database.transaction(Scope("")) as conn:
        tables = ("people", "schools", "authorities", "authority_history", "student_agreements", "invitations")
        unseen = [await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    assert names == {"Своих", "Образцова"}
    assert schools == 1
    assert set(unseen) == {0}


async def test_teachers_names_are_not_kept_and_go_when_somebody_stops_representing(office):
    who = PersonId(uuid4())
    await office.registry.knows(a_parent(who))
    teacher = PersonId(uuid4())
    await office.registry.knows(a_parent(teacher, roles=[Role.TEACHER]))
    assert [row["person_id"] for row in await office.registry.rows("SELECT person_id FROM people")] == [who]

    await office.registry.knows(a_parent(who, roles=[Role.TEACHER], revision=2))

    assert await office.registry.rows("SELECT FROM people") == []


async def test_an_older_name_does_not_come_back(office):
    who = PersonId(uuid4())
    await office.registry.knows(a_parent(who, "Новая", revision=2))
    await office.registry.knows(a_parent(who, "Старая", revision=1))

    (row,) = await office.registry.rows("SELECT family FROM people")
    assert row["family"] == "Новая"


async def test_who_has_not_answered_is_listed_with_names_by_class(office):
    await _family(office, ("Первых", "Анна", ""))
    silent, pupil = await _family(office, ("Вторых", "Борис", ""), class_id=TENTH, class_name="10Б")
    answered, other = await _family(office, ("Третьих", "Вера", ""), class_id=TENTH, class_name="10Б")
    await office.registry.registers(an_answer(answered, other, "С-1", cabinet=REFUSED))

    page = (await office.get(f"/v1/schools/{office.home}/unanswered", class_id=str(TENTH))).json()

    assert page == {
        "pairs": [
            {
                "representative_id": str(silent),
                "student_id": str(pupil),
                "class_id": str(TENTH),
                "class_name": "10Б",
                "student_name": "Вторых Борис",
                "representative_name": "Образцова Мария Петровна",
            }
        ],
        "next": None,
    }
    assert len((await office.get(f"/v1/schools/{office.home}/unanswered")).json()["pairs"]) == 2


async def test_who_lost_the_authority_is_not_expected_to_answer(office):
    parent, pupil = await _family(office, ("Первых", "Анна", ""))
    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))

    assert (await office.get(f"/v1/schools/{office.home}/unanswered")).json()["pairs"] == []
    (pair,) = await office.pairs()
    assert (pair["authority"], pair["cabinet"]) == ("ended", "unanswered")


async def test_the_list_of_a_class_shows_how_every_pair_stands_in_order(office):
    await _family(office, ("Яковлев", "Пётр", ""), class_id=TENTH, class_name="10А")
    parent, pupil = await _family(office, ("Абрамов", "Олег", ""))
    await _family(office, ("Белова", "Анна", ""))
    await office.registry.registers(an_answer(parent, pupil, "С-1", email=GIVEN))

    listed = await office.pairs()

    assert [(one["class_name"], one["student_name"], one["cabinet"], one["email"]) for one in listed] == [
        ("7А", "Абрамов Олег", "given", "given"),
        ("7А", "Белова Анна", "unanswered", "unanswered"),
        ("10А", "Яковлев Пётр", "unanswered", "unanswered"),
    ]
    assert [one["student_name"] for one in await office.pairs(class_id=str(TENTH))] == ["Яковлев Пётр"]


async def test_after_a_transfer_the_new_school_is_told_whom_to_ask_anew_until_they_answer(office):
    parent, pupil = await _family(office, ("Первых", "Анна", ""), school_id=SchoolId(uuid4()))
    await office.registry.registers(an_answer(parent, pupil, "С-1", email=GIVEN))
    await office.registry.knows(
        a_pupil(parent, school_id=office.home, student_id=pupil, revision=2, class_id=SEVENTH, class_name="7А")
    )

    (asked,) = await office.pairs(list="renewal_needed")
    assert (asked["student_id"], asked["cabinet"], asked["renewal_needed"]) == (str(pupil), "withdrawn", True)
    assert (await office.told())[-1].decisions.cabinet == "withdrawn"

    await office.registry.registers(an_answer(parent, pupil, "С-2"))

    assert await office.pairs(list="renewal_needed") == []
    assert (await office.told())[-1].decisions.cabinet == "given"


async def test_a_list_is_a_table_for_a_spreadsheet_in_which_no_name_is_a_formula(office):
    await _family(office, ("=HYPERLINK(1)", "+Анна", ""), ("@SUM(1)", "-Мария"))
    await office.registry.registers()

    answer = await office.get(f"/v1/schools/{office.home}/pairs.csv", list="unanswered")

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith("\ufeff".encode())
    header, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=";")
    assert header[:3] == ["Класс", "Обучающийся", "Кто решает"]
    assert row[1:3] == ["'=HYPERLINK(1) +Анна", "'@SUM(1) -Мария Петровна"]
    assert row[6] == "нет ответа"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


async def test_the_table_has_every_pair_however_many_there_are(office, monkeypatch):
    monkeypatch.setattr("services.consent.lists.CSV_PAGE", 3)
    for number in range(7):
        await _family(office, ("Первых", f"Имя{number}", ""))

    rows = (await office.get(f"/v1/schools/{office.home}/pairs.csv")).text.splitlines()

    assert len(rows) == 8
    assert [row.split(";")[1] for row in rows[1:]] == [f"Первых Имя{number}" for number in range(7)]


async def test_names_go_with_the_person(office):
    parent, _ = await _family(office, ("Первых", "Анна", ""))

    await office.registry.erases(parent)

    assert [row["family"] for row in await office.registry.rows("SELECT family FROM people")] == ["Первых"]
