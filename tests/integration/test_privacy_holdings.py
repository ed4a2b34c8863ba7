"""What is held about a person: no table is forgotten, secrets stay secret, and whoever looks leaves a line."""

from importlib import import_module
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pypdf import PdfReader

from chassis import access_log, holdings
from chassis.access_log import Actor
from chassis.auth import create_client
from chassis.database import DISTRICT, reader, school
from chassis.holdings import Holdings
from chassis.problems import install
from services.cabinet.queries.reading import READER_ROLE
from sutki.privacy import exporting
from tests.integration.whole_district import ADDRESS, CHILD_NAMES, MOTHER_NAMES, NOW, SERVICES, WholeDistrict
from tests.support.databases import ServiceDatabases

NOT_PEOPLE = {
    "address_id", "aggregate_id", "attendance_id", "calendar_id", "campus_id", "class_id", "client_id", "closing_id",
    "consent_id", "control_work_id", "curriculum_id", "deferral_id", "erasure_id", "escalation_id", "event_id",
    "extract_id", "fell_from", "forecast_id", "fulfilled_as", "group_id", "holiday_id", "homework_id", "known_to",
    "lesson_id", "line_item_id", "mark_id", "message_id", "news_id", "news_ids", "new_subject_id", "notification_id",
    "obligation_id", "period_id", "recommendation_id", "request_id", "result_id", "result_ids", "school_id",
    "school_ids", "school_year_id", "sender_id", "slot_id", "subject_id", "subscription_id", "substitution_id",
    "teaching_id", "corrected_ids",
}  # fmt: skip
"""Columns that call something else than a person; whatever else is a uuid may be one."""

MADE_UP = {"canaries"}
"""Tables about students who do not exist."""

_COLUMNS = """
SELECT c.table_name || '.' || c.column_name AS name, c.table_name, c.column_name
FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE' AND c.table_schema = 'public' AND c.udt_name IN ('uuid', '_uuid')
"""


def holdings_of(service: str) -> Holdings:
    found: Holdings = import_module(f"services.{service}.exporting_person").HOLDINGS
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_every_column_that_may_name_a_person_is_exported_or_exempt_with_a_reason(
    service: str, service_database: ServiceDatabases
) -> None:
    held = holdings_of(service)
    conditions: dict[str, str] = {}
    for one in held.tables:
        conditions[one.table] = conditions.get(one.table, "") + " ".join(one.people) + one.where
    async with service_database.as_superuser(service) as conn:
        columns = [dict(row) for row in await conn.fetch(_COLUMNS)]
    missing = [
        column["name"]
        for column in columns
        if column["column_name"] not in NOT_PEOPLE
        and column["table_name"] not in MADE_UP
        and column["column_name"] not in conditions.get(column["table_name"], "")
        and column["name"] not in held.exempt
    ]

    assert missing == [], "declare them in exporting_person.py, or say there why not"
    known = {column["name"] for column in columns}
    assert [name for name in held.exempt if name not in known] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_every_declaration_can_be_read(service: str, service_database: ServiceDatabases) -> None:
    database = await service_database(service)
    async with database.transaction(DISTRICT) as conn:
        assert await holdings_of(service).about(conn, uuid4(), access_log.OPERATOR) == {}


async def test_a_family_finds_its_data_and_no_secret(service_database: ServiceDatabases, tmp_path: Path) -> None:
    district = WholeDistrict(service_database, tmp_path)
    await district.start()
    await district.settle_in()
    found = {}
    for service in SERVICES:
        async with district.open[service].transaction(DISTRICT) as conn:
            found[service] = await holdings_of(service).about(conn, district.mother, access_log.OPERATOR)

    text = str(found)
    assert ADDRESS in text
    assert MOTHER_NAMES[1] in str(found["gradebook"])
    assert MOTHER_NAMES[1] in str(found["extracts"]["persons"])
    assert found["consent"]["consent_documents"][0]["contents"]["consenter_name"] == " ".join(MOTHER_NAMES)
    (account,) = found["cabinet"]["accounts"]
    assert (account["login"], account["password_hash"]) == ("zarechnova", holdings.PRESENT)
    (subscription,) = found["publisher"]["push_subscriptions"]
    assert subscription["endpoint"] == subscription["auth"] == holdings.PRESENT
    assert "argon2" not in text
    async with district.open["consent"].transaction(DISTRICT) as conn:
        child = await holdings_of("consent").about(conn, district.child, access_log.OPERATOR)
    assert ADDRESS not in str(child), "a parent's address is not the child's data"
    assert CHILD_NAMES[1] in str(child)


async def test_the_copy_is_written_for_programs_and_for_people(
    service_database: ServiceDatabases, tmp_path: Path
) -> None:
    district = WholeDistrict(service_database, tmp_path)
    await district.start()
    await district.settle_in()
    copy = {
        service: await exporting.held_by(district.open[service], service, district.child, access_log.OPERATOR)
        for service in exporting.HOLDINGS
    }
    left = tmp_path / "copy" / exporting.JSON
    left.parent.mkdir()
    left.touch(mode=0o644)
    files = exporting.write(tmp_path / "copy", district.child, copy, NOW)

    data, paper = (path.read_bytes() for path in files)
    services = orjson.loads(data)["services"]
    assert services["gradebook"]["marks"][0]["value"] == "5"
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(paper)).pages).split())
    for part in ("Электронный журнал", "Отметки", "Личный кабинет", "Реестр согласий", *CHILD_NAMES[:2]):
        assert part in text, part


async def test_only_the_district_gets_a_persons_data_and_its_reading_is_noted(
    service_database: ServiceDatabases,
) -> None:
    database, person = await service_database("extracts"), uuid4()
    async with database.transaction(DISTRICT) as conn:
        district = await create_client(conn, school_id=None, label="cabinet")
        office = await create_client(conn, school_id=uuid4(), label="school")
    app = FastAPI()
    install(app)
    app.include_router(holdings.make_router(database, "extracts", holdings_of("extracts")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        refused = await http.get(f"/v1/people/{person}/data", headers={"Authorization": f"Bearer {office}"})
        answer = await http.get(f"/v1/people/{person}/data", headers={"Authorization": f"Bearer {district}"})
        unknown = await http.get(f"/v1/people/{person}/data")

    assert (refused.status_code, answer.status_code, unknown.status_code) == (403, 200, 401)
    assert answer.json()["service"] == "extracts"
    async with database.transaction(DISTRICT) as conn:
        lines = await access_log.looks(conn, person)
    assert [(line.action, str(line.actor_id)) for line in lines] == [
        ("everything_exported", district.split(".", 1)[0]),
        ("/v1/people/{person_id}/data", district.split(".", 1)[0]),
        ("/v1/people/{person_id}/data", office.split(".", 1)[0]),
    ]


async def test_what_a_program_polls_is_noted_once_a_minute_and_a_person_every_time(
    service_database: ServiceDatabases,
) -> None:
    database, client, person = await service_database("publisher"), uuid4(), uuid4()

    class Request:
        method = "GET"

        def __init__(self, **path: str) -> None:
            self.path_params = path
            self.query_params = {"surname": "Заречнова"}
            self.scope: dict[str, object] = {}

    for _ in range(3):
        await access_log.called(database, Request(), client, None)  # type: ignore[arg-type]
        await access_log.called(database, Request(student_id=str(person)), client, None)  # type: ignore[arg-type]

    async with database.transaction(DISTRICT) as conn:
        lists = await conn.fetchval("SELECT count(*) FROM access_log WHERE person_id IS NULL")
        assert (lists, len(await access_log.looks(conn, person))) == (1, 3)
        assert "Заречнова" not in str(await conn.fetch("SELECT * FROM access_log")), "no question is kept"


async def test_nobody_changes_the_log_and_a_school_does_not_read_it(service_database: ServiceDatabases) -> None:
    database, person = await service_database("publisher"), uuid4()
    async with database.transaction(school(uuid4())) as conn:
        await access_log.looked(conn, Actor("client", uuid4()), "proof", [person, person, None])
        assert await access_log.looks(conn, person) == []
    async with database.transaction(DISTRICT) as conn:
        assert len(await access_log.looks(conn, person)) == 1
    with pytest.raises(Exception, match="not changed"):
        async with database.transaction(DISTRICT) as conn:
            await conn.execute("UPDATE access_log SET action = 'nothing'")


async def test_a_reader_of_pages_may_leave_a_line_and_read_none(service_database: ServiceDatabases) -> None:
    database, person = await service_database("cabinet"), uuid4()
    async with database.transaction(reader(person), role=READER_ROLE) as conn:
        await access_log.looked(conn, access_log.person(person), "page_home", [person])
    with pytest.raises(Exception, match="permission denied"):
        async with database.transaction(reader(person), role=READER_ROLE) as conn:
            await conn.execute("SELECT 1 FROM access_log")


async def test_old_lines_go(service_database: ServiceDatabases) -> None:
    database, person = await service_database("publisher"), uuid4()
    async with database.transaction(DISTRICT) as conn:
        await access_log.looked(conn, access_log.OPERATOR, "proof", [person])
        await access_log.looked(conn, access_log.OPERATOR, "proof", [person])
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute("ALTER TABLE access_log DISABLE TRIGGER access_log_is_append_only")
        await conn.execute("UPDATE access_log SET at = at - interval '10 days' WHERE id = 1")
    async with database.transaction(DISTRICT) as conn:
        assert await access_log.prune(conn, keep_days=9) == 1
        assert len(await access_log.looks(conn, person)) == 1
