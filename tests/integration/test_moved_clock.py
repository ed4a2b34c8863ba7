"""A demonstration moves the clock: the owner of the schema can, the service cannot, and the rules of reading follow."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database, reader
from services.cabinet.queries.reading import READER_ROLE
from sutki.stack.clock import shift_one
from tests.browser.cabinet_world import World
from tests.support.databases import Templates

SHOWN = "SELECT result_id FROM shown_results"


async def test_a_services_own_role_cannot_move_the_clock(templates: Templates) -> None:
    urls = await templates.clone("publisher")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shift_one(urls.app, timedelta(hours=1))
    finally:
        await templates.drop(urls)


async def test_what_is_held_is_shown_when_the_moved_clock_reaches_its_deadline(templates: Templates) -> None:
    urls = await templates.clone("cabinet")
    database = await Database.connect(urls.app, application_name="test")
    try:
        world, mother = World(database), uuid4()
        child = world.student([mother])
        await world.tell(world.school(), child, world.consent(mother, child.person_id))
        await world.account(mother)
        await world.tell(world.grade(child.person_id, held=True, obtained_at=datetime.now(UTC)))
        for ahead, shown in ((timedelta(hours=23, minutes=59), 0), (timedelta(hours=24, minutes=1), 1)):
            await shift_one(urls.owner, ahead)
            async with database.transaction(DISTRICT) as conn:
                now = await DatabaseClock().now(conn)
            assert abs(now - datetime.now(UTC) - ahead) < timedelta(seconds=30)
            await world.hear()
            async with database.transaction(reader(mother), role=READER_ROLE) as conn:
                assert len(await conn.fetch(SHOWN)) == shown
    finally:
        await database.close()
        await templates.drop(urls)
