"""Who looked is noted where people are read: pages of the cabinet, its API, sheets of the print desk, consent forms."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chassis import access_log
from chassis.access_log import Actor, Look
from chassis.database import DISTRICT, Database
from contracts.base import PersonId
from contracts.values import Decision
from services.extracts import handlers
from services.extracts.rendering import Renderer
from tests.integration.consent_door import an_office
from tests.integration.consent_office import a_parent, a_pupil, pair_of
from tests.integration.extracts_office import Family, Request
from tests.integration.extracts_office import Office as PrintDesk
from tests.integration.test_cabinet_http import Site, _family, _sign_in, _site
from tests.support.builders import a_final_grade, a_school
from tests.support.databases import ServiceDatabases


async def _looks(database: Database, person_id: UUID) -> list[Look]:
    async with database.transaction(DISTRICT) as conn:
        return list(await access_log.looks(conn, person_id))


@pytest.fixture
async def site(service_database: ServiceDatabases) -> AsyncIterator[Site]:
    async for site in _site(service_database):
        yield site


async def test_a_page_about_a_child_leaves_a_line_and_a_closed_one_too(site: Site) -> None:
    login, child = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    for address, action in (
        ("/", "page_home"),
        (f"/children/{child}", "page_child"),
        ("/v1/me/children", "my_children"),
    ):
        assert (await browser.get(address)).status_code == 200
        newest = (await _looks(site.world.database, child))[0]
        assert (newest.actor_kind, newest.action) == ("person", action)


async def test_the_pdf_of_a_sheet_leaves_a_line_for_both_whom_it_names(service_database: ServiceDatabases) -> None:
    desk = PrintDesk(await service_database("extracts"), Renderer(threads=1))
    family = Family()
    grade = a_final_grade().of(family.student)
    request = Request(family, (grade,))
    await desk.hears(a_school().event(), *family.known(), grade.event(), request.event())
    await desk.renders()
    reader = Actor("client", UUID(int=5))

    assert await handlers.pdf_of(desk.database, DISTRICT, request.extract_id, actor=reader) is not None

    for person in (family.student.student_id, family.mother.id):
        (line,) = await _looks(desk.database, person)
        assert (line.action, line.actor_id) == ("extract_pdf", reader.id)


async def test_a_form_and_a_students_consents_leave_a_line(service_database: ServiceDatabases) -> None:
    async with an_office(service_database) as office:
        parent = PersonId(UUID(int=77))
        pupil = a_pupil(parent, school_id=office.home)
        await office.knows_school()
        await office.registry.knows(pupil, a_parent(parent))
        assert (await office.post("/v1/forms", pair_of(parent, pupil.person_id))).status_code == 200
        assert (await office.get(f"/v1/students/{pupil.person_id}/consents")).status_code == 200
        actions = [line.action for line in await _looks(office.registry.database, pupil.person_id)]
        assert [line.action for line in await _looks(office.registry.database, parent)] == ["consent_form"]
    assert actions == ["/v1/students/{student_id}/consents", "consent_form"]
