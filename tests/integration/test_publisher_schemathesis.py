"""The publisher's API against its own description: whatever is sent, the answer is one that the document tells of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import uvicorn
from pydantic import SecretStr

from chassis.auth import create_client
from chassis.database import DISTRICT
from services.publisher.app import build
from services.publisher.domain.escalation import Ladder
from services.publisher.escalating import Escalations
from services.publisher.push.vapid import VapidKey
from services.publisher.settings import Settings
from sutki.stack.ports import free_port
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.integration.test_gradebook_schemathesis import Served, explore
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

SECONDS = 20
"""How long further examples are sought after every operation had its first ones."""
EXAMPLES = 2


@asynccontextmanager
async def serving(district: District) -> AsyncIterator[Served]:
    """The service's own application on a port, over a school where something was met, missed and told."""
    family, result = await district.known_family(email="mother@example.org"), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    while await Escalations(district.database, district.clock, Ladder()).escalate():
        pass
    (raised,) = await district.query("SELECT escalation_id FROM escalations WHERE step = 'overdue'")
    port = free_port()
    settings = Settings(
        database_url=district.database.url,
        kafka_bootstrap="unused",
        http_port=port,
        vapid_key=SecretStr(VapidKey.generate().pem().decode()),
    )
    service = await build(settings)
    app = service.app()
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=None, label="district")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, within=20)
        yield Served(
            f"http://127.0.0.1:{port}",
            {"Authorization": f"Bearer {token}"},
            app.openapi(),
            {
                "school_id": [str(district.school_id)],
                "student_id": [str(family.student)],
                "child_id": [str(family.student)],
                "person_id": [str(family.mother), str(family.student)],
                "recipient_id": [str(family.mother)],
                "result_id": [str(result)],
                "escalation_id": [str(raised["escalation_id"])],
            },
        )
    finally:
        server.should_exit = True
        await running
        await service.database.close()


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


@pytest.mark.timeout(180)
async def test_every_answer_is_one_that_the_document_tells_of(district: District) -> None:
    async with serving(district) as served:
        answers, faults = await asyncio.to_thread(explore, served, SECONDS, EXAMPLES, "^/(v1|public)/")
        documented = {path for path in served.document["paths"] if path.startswith(("/v1/", "/public/"))}
    statuses = sum(answers.values(), Counter[int]())
    assert not faults, "\n".join(faults)
    assert len(answers) >= len(documented)
    assert statuses[200] > 20, statuses
    assert not {status for status in statuses if status >= 500}
