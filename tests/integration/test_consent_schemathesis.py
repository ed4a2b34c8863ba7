"""The consent API against its own description: whatever is sent, the answer is one that its document tells of."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest
import uvicorn

from chassis.auth import create_client
from chassis.database import DISTRICT
from contracts.base import PersonId
from services.consent.app import build
from services.consent.settings import Settings
from sutki.stack.ports import free_port
from tests.integration.consent_office import a_pupil
from tests.integration.test_consent_registry import Registry, an_answer
from tests.integration.test_gradebook_schemathesis import Served, explore
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

SECONDS = 10
EXAMPLES = 2
PATHS = "^/v1/(decisions$|consents|students/[^/]+/(consents|authorities)|schools|forms|receipts|authorities|agreements)"
"""The registry's and the office's part: bulk registration takes NDJSON too, and its own tests look at it."""


@pytest.mark.timeout(120)
async def test_every_answer_is_one_that_the_document_tells_of(service_database: ServiceDatabases) -> None:
    database = await service_database("consent")
    registry, parent = Registry(database, service_database), PersonId(uuid4())
    pupil = a_pupil(parent, school_id=(home := uuid4()))  # type: ignore[arg-type]
    await registry.knows(pupil)
    (outcome,) = await registry.registers(an_answer(parent, pupil.person_id, "С-1"))
    assert outcome.consent is not None
    async with database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=None, label="district")
    settings = Settings(database_url=database.url, kafka_bootstrap="unused", http_port=free_port())
    service = await build(settings)
    app = service.app()
    server = uvicorn.Server(uvicorn.Config(app, port=settings.http_port, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, within=20)
        known = {
            "school_id": [str(home)],
            "student_id": [str(pupil.person_id)],
            "consent_id": [str(outcome.consent.consent_id)],
        }
        address = f"http://127.0.0.1:{settings.http_port}"
        served = Served(address, {"Authorization": f"Bearer {token}"}, app.openapi(), known)
        answers, faults = await asyncio.to_thread(explore, served, SECONDS, EXAMPLES, PATHS)
    finally:
        server.should_exit = True
        await running
        await service.database.close()
    statuses = sum(answers.values(), Counter[int]())
    assert not faults, "\n".join(faults)
    assert len(answers) >= 13, answers
    assert statuses[200] > 5, statuses
    assert not {status for status in statuses if status >= 500}
