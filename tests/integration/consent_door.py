"""Opens the consent service's API over a test's database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.http import make_app
from chassis.service import Service
from contracts.base import SchoolId
from services.consent import api, office_api
from services.consent.settings import Settings
from tests.integration.consent_office import Office
from tests.integration.test_consent_registry import POLICY, Registry
from tests.support.databases import ServiceDatabases

CABINET = "https://diary.example.org"


@asynccontextmanager
async def an_office(databases: ServiceDatabases, **rules: Any) -> AsyncIterator[Office]:
    """The office by the usual rules, or by others that are named."""
    database, home, policy = await databases("consent"), SchoolId(uuid4()), replace(POLICY, **rules)
    registry = Registry(database, databases)
    settings = Settings(database_url="unused", kafka_bootstrap="127.0.0.1:1")
    routers = [
        api.make_router(database, registry.clock, policy),
        office_api.make_office_router(office_api.Office(database, registry.clock, policy, CABINET, 60)),
    ]
    async with database.transaction(DISTRICT) as conn:
        district = await create_client(conn, school_id=None, label="district")
        own = await create_client(conn, school_id=home, label="school")
    transport = httpx.ASGITransport(app=make_app(Service(settings, database, "consent", routers=routers)))
    async with httpx.AsyncClient(transport=transport, base_url="http://consent") as http:
        yield Office(registry, http, home, district, own, registry.clock, policy)
